#!/bin/sh
# Fills the corpora with recordings and tables of the tests: whole and packed, and their beginnings.
set -eu
cd "$(dirname "$0")"
for target in lines log; do
    corpus=corpus/$target
    mkdir -p "$corpus"
    for file in ../tests/recordings/*.gz ../tests/tables/*/*.gz; do
        name=$(basename "$(dirname "$file")")-$(basename "$file" .gz)
        cp "$file" "$corpus/$name.gz"
        for lines in 4 12 40; do
            gzip -dc "$file" | sed "${lines}q" > "$corpus/$name.$lines"
        done
    done
    cp ../tests/article/*/* "$corpus" 2> /dev/null || true
done

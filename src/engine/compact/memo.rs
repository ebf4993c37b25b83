//! What has been found out, and on what it depends.
//!
//! A question about a row of ids was answered by looking at some of its columns. The answer is good
//! for every row that has the same ids in these columns: whoever answers is a function of what it
//! looks at, so it would look at the same columns again, and see the same. Which columns those are
//! may differ from row to row, so each question has one table for each set of columns.

/// Answers to questions, each a list of words.
pub(super) struct Memo {
    questions: Vec<Vec<Table>>,
    /// Entries: the ids in the columns of the table, the length of the answer, the answer.
    words: Vec<u32>,
    /// Whether a table of one column is an array over its ids: where questions are few.
    dense: bool,
}

/// The answers that depend on one set of columns.
struct Table {
    columns: Box<[u8]>,
    mask: u128,
    /// Places of entries; 0 where there is none. By id if `direct`, else by hash.
    index: Vec<u32>,
    direct: bool,
    entries: usize,
}

/// An answer that was found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Where its words begin.
    pub at: usize,
    /// The columns on which it depends, as bits.
    pub mask: u128,
}

fn hash(ids: impl Iterator<Item = u32>) -> usize {
    let mut hash = 0u64;
    for id in ids {
        hash = (hash.rotate_left(5) ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (hash >> 32) as usize
}

impl Table {
    fn new(mask: u128, dense: bool) -> Self {
        let columns: Box<[u8]> = (0..128).filter(|column| mask >> column & 1 == 1).collect();
        let direct = dense && columns.len() == 1;
        let index = if direct { Vec::new() } else { vec![0; 4] };
        Table { columns, mask, index, direct, entries: 0 }
    }

    fn hash(&self, row: &[u32]) -> usize {
        hash(self.columns.iter().map(|&column| row[column as usize]))
    }

    fn find(&self, words: &[u32], row: &[u32]) -> Option<Found> {
        let found =
            |entry: u32| Found { at: entry as usize + self.columns.len() + 1, mask: self.mask };
        if self.direct {
            let entry = *self.index.get(row[self.columns[0] as usize] as usize)?;
            return (entry != 0).then(|| found(entry));
        }
        let wrap = self.index.len() - 1;
        let mut place = self.hash(row) & wrap;
        loop {
            let entry = self.index[place];
            if entry == 0 {
                return None;
            }
            let key = &words[entry as usize..entry as usize + self.columns.len()];
            if key.iter().zip(&self.columns).all(|(&id, &column)| row[column as usize] == id) {
                return Some(found(entry));
            }
            place = (place + 1) & wrap;
        }
    }

    /// Enters an entry whose key stands in `words`.
    fn enter(&mut self, words: &[u32], entry: u32) {
        self.entries += 1;
        if self.direct {
            let id = words[entry as usize] as usize;
            if self.index.len() <= id {
                self.index.resize(id + 1, 0);
            }
            self.index[id] = entry;
            return;
        }
        if self.entries * 3 > self.index.len() * 2 {
            let longer = vec![0; self.index.len() * 2];
            let old = std::mem::replace(&mut self.index, longer);
            old.into_iter().filter(|&entry| entry != 0).for_each(|entry| self.place(words, entry));
        }
        self.place(words, entry);
    }

    fn place(&mut self, words: &[u32], entry: u32) {
        let key = &words[entry as usize..entry as usize + self.columns.len()];
        let wrap = self.index.len() - 1;
        let mut place = hash(key.iter().copied()) & wrap;
        while self.index[place] != 0 {
            place = (place + 1) & wrap;
        }
        self.index[place] = entry;
    }
}

impl Memo {
    /// Nothing is known. `dense` trades memory for time where questions are few.
    pub(super) fn new(dense: bool) -> Self {
        Memo { questions: Vec::new(), words: vec![0], dense }
    }

    /// What is known of a question about this row.
    #[inline]
    pub(super) fn find(&self, question: u32, row: &[u32]) -> Option<Found> {
        let tables = self.questions.get(question as usize)?;
        tables.iter().find_map(|table| table.find(&self.words, row))
    }

    /// The words from an answer on.
    #[inline]
    pub(super) fn words(&self, at: usize) -> &[u32] {
        &self.words[at..]
    }

    /// Remembers what was found out about a row by looking at some of its columns.
    pub(super) fn remember(
        &mut self,
        question: u32,
        mask: u128,
        row: &[u32],
        answer: &[u32],
    ) -> Found {
        self.make_room(answer.len() + 2 + mask.count_ones() as usize);
        let entry = self.words.len() as u32;
        self.words.extend((0..row.len()).filter(|c| mask >> c & 1 == 1).map(|c| row[c]));
        let at = self.words.len() + 1;
        self.words.push(answer.len() as u32);
        self.words.extend_from_slice(answer);
        self.enter(question, mask, entry);
        Found { at, mask }
    }

    /// Grows by a part only, so that there is never much more room than is needed.
    fn make_room(&mut self, words: usize) {
        if self.words.capacity() - self.words.len() < words {
            self.words.reserve_exact(words.max(self.words.len() / 4));
        }
    }

    fn enter(&mut self, question: u32, mask: u128, entry: u32) {
        assert!(self.words.len() < u32::MAX as usize, "more is remembered than there is room for");
        if self.questions.len() <= question as usize {
            self.questions.resize_with(question as usize + 1, Vec::new);
        }
        let tables = &mut self.questions[question as usize];
        let known = tables.iter().position(|table| table.mask == mask);
        let table = known.unwrap_or_else(|| {
            tables.push(Table::new(mask, self.dense));
            tables.len() - 1
        });
        tables[table].enter(&self.words, entry);
    }

    /// Takes over what another has found out; the other forgets it.
    pub(super) fn absorb(&mut self, other: &mut Memo) {
        for (question, tables) in (0..).zip(std::mem::take(&mut other.questions)) {
            for table in tables {
                let keys = table.columns.len();
                for entry in table.index.into_iter().filter(|&entry| entry != 0) {
                    let start = entry as usize;
                    let end = start + keys + 1 + other.words[start + keys] as usize;
                    let new = self.words.len() as u32;
                    if !self.knows(question, table.mask, &other.words[start..start + keys]) {
                        self.make_room(end - start);
                        self.words.extend_from_slice(&other.words[start..end]);
                        self.enter(question, table.mask, new);
                    }
                }
            }
        }
        other.words.truncate(1);
    }

    /// Whether there is an entry of this key.
    fn knows(&self, question: u32, mask: u128, key: &[u32]) -> bool {
        let tables = self.questions.get(question as usize).into_iter().flatten();
        let mut row = [0; 128];
        for (column, id) in (0..128).filter(|column| mask >> column & 1 == 1).zip(key) {
            row[column] = *id;
        }
        let mut of_mask = tables.filter(|table| table.mask == mask);
        of_mask.any(|table| table.find(&self.words, &row).is_some())
    }
}

//! The text of a log, read so that no input is too large, too long or too strange for it.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Most bytes of one file, unpacked.
pub const MAX_BYTES: usize = 256 << 20;

/// Most bytes of one line, and of one JSON value: many times the largest object that etcd keeps.
pub const MAX_VALUE: usize = 32 << 20;

/// A file of a history.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A file of a history that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its name.
    pub name: String,
    /// The line, if it is about one.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
}

/// Reads a file to its end, and unpacks it if need be. No more is kept than may be read.
pub fn read(name: &str, input: impl Read) -> Result<LogFile, BadFile> {
    let mut input = BufReader::new(input);
    let bad = |line, problem: String| BadFile { name: name.to_string(), line, problem };
    let begins = input.fill_buf().map_err(|error| bad(None, format!("cannot be read: {error}")))?;
    if begins.starts_with(&[0x1f, 0x8b]) {
        let unpacked = BufReader::new(MultiGzDecoder::new(input));
        return lines(name, unpacked, "cannot be unpacked");
    }
    lines(name, input, "cannot be read")
}

fn lines(name: &str, mut input: impl BufRead, failure: &str) -> Result<LogFile, BadFile> {
    let (mut text, mut line, mut number) = (String::new(), Vec::new(), 0);
    loop {
        number += 1;
        let bad = |line, problem: String| BadFile { name: name.to_string(), line, problem };
        line.clear();
        let read = (&mut input).take(MAX_VALUE as u64 + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|error| bad(None, format!("{failure}: {error}")))?;
        if read == 0 {
            break;
        }
        if read > MAX_VALUE {
            let most = MAX_VALUE >> 20;
            return Err(bad(Some(number), format!("is a line of more than {most} MiB")));
        }
        let Ok(good) = std::str::from_utf8(&line) else {
            return Err(bad(Some(number), "is not UTF-8".to_string()));
        };
        if text.len() + good.len() > MAX_BYTES {
            let most = MAX_BYTES >> 20;
            return Err(bad(None, format!("is larger than {most} MiB")));
        }
        text.push_str(good);
    }
    // A mark that some programs begin a file with.
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    if text.trim().is_empty() {
        return Err(BadFile {
            name: name.to_string(),
            line: None,
            problem: "is empty".to_string(),
        });
    }
    Ok(LogFile { name: name.to_string(), text })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(text.as_bytes()).expect("memory");
        packer.finish().expect("memory")
    }

    #[test]
    fn a_log_may_be_packed() {
        let text = "{\"type\":\"BOOKMARK\"}\n";
        assert_eq!(read("log", &*packed(text)).map(|log| log.text), Ok(text.to_string()));
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let half = b"{}\n{\"a\":\"\xc3";
        assert_eq!(read("log", &half[..]).expect_err("half a character").line, Some(2));
        let mut cut = packed("{}\n".repeat(1000).as_str());
        cut.truncate(cut.len() / 2);
        assert!(read("log", &*cut).expect_err("half a file").problem.contains("unpacked"));
        for empty in ["", " \n\n", "\u{feff}"] {
            assert_eq!(read("log", empty.as_bytes()).expect_err("empty").problem, "is empty");
        }
    }

    /// A line of 1 GB, packed or not, is refused after the first few MiB of it.
    #[test]
    fn a_line_without_end_is_not_kept() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(self.0 < 2 * MAX_VALUE as u64, "goes on reading");
                buffer.fill(b' ');
                self.0 += buffer.len() as u64;
                Ok(buffer.len())
            }
        }
        let bad = read("log", Endless(0)).expect_err("too long");
        assert_eq!((bad.line, bad.problem.as_str()), (Some(1), "is a line of more than 32 MiB"));
        let bomb = {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            let piece = vec![b'['; 1 << 20];
            (0..2 * (MAX_VALUE >> 20)).for_each(|_| packer.write_all(&piece).expect("memory"));
            packer.finish().expect("memory")
        };
        assert_eq!(read("log", &*bomb).expect_err("too long").line, Some(1));
    }

    /// Many lines are bounded too.
    #[test]
    fn a_file_without_end_is_not_kept() {
        struct Lines;
        impl Read for Lines {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'\n');
                Ok(buffer.len())
            }
        }
        let lines = BufReader::with_capacity(1 << 20, Lines);
        let bad = read("log", lines).expect_err("too large");
        assert_eq!(bad.problem, "is larger than 256 MiB");
    }
}

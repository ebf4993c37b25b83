//! Times of a log, as RFC 3339 writes them.

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// Reads `2026-11-23T17:16:48.252Z`, with or without a fraction or an offset.
pub fn parse(text: &str) -> Option<Millis> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if !separators.iter().all(|(at, wanted)| bytes.get(*at) == Some(wanted)) {
        return None;
    }
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?)?;
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) || hour > 24 || minute > 59 || second > 60
    {
        return None;
    }
    let rest = text.get(19..)?;
    let (millis, zone) = match rest.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.bytes().position(|byte| !byte.is_ascii_digit())?;
            let digits = format!("{:0<3}", &fraction[..end]);
            (digits.get(..3)?.parse::<i64>().ok()?, &fraction[end..])
        }
        None => (0, rest),
    };
    let local = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some((local - offset(zone)?) * 1000 + millis)
}

/// The offset of a zone in seconds.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, hours) = match zone.split_at_checked(1)? {
        ("+", hours) => (1, hours),
        ("-", hours) => (-1, hours),
        _ => return None,
    };
    let (hours, minutes) = hours.split_once(':')?;
    let number = |text: &str| text.parse::<u8>().ok().map(i64::from);
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// A span of time in words: `5.3 s`.
pub fn seconds(span: Millis) -> String {
    format!("{:.1} s", span as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2000-03-01T00:00:00Z"), Some(951_868_800_000));
        assert_eq!(parse("2026-11-23T17:16:48.252Z"), Some(1_795_454_208_252));
        assert_eq!(parse("2026-11-23T18:16:48.252999+01:00"), Some(1_795_454_208_252));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-23T17:16:48", "2026-11-23"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("2026-11-23T17:16:48.2é"), None);
    }
}

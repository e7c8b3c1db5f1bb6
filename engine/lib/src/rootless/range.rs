//! `/etc/subuid` and `/etc/subgid`: the ids that a user may map besides its own (subuid(5)).

/// Ids of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) count: u32,
}

/// Those of the user `name` or `uid`, in the file's order. Lines that are none are passed over, as newuidmap(1) does.
pub(crate) fn of(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        if Some(owner) != name && owner.parse() != Ok(uid) {
            return None;
        }
        let (start, count) = (fields.next()?.trim().parse().ok()?, fields.next()?.trim().parse().ok()?);
        (count > 0).then_some(Range { start, count })
    };
    text.lines().filter_map(range).collect()
}

/// Arguments of newuidmap(1) after the pid: `own` becomes 0, and the ranges follow from 1 on.
pub(super) fn arguments(own: u32, ranges: &[Range]) -> Vec<String> {
    let mut arguments = vec![0, own, 1];
    let mut next = 1u32;
    for Range { start, count } in ranges {
        arguments.extend([next, *start, *count]);
        next = next.saturating_add(*count);
    }
    arguments.iter().map(u32::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_user() {
        let text = "joe:100000:65536\n# joe\nann:165536:65536\n1000:300000:10\njoe:x:1\njoe:400000:0\n\n";
        let shown = |name, uid| arguments(uid, &of(text, name, uid)).join(" ");
        for (name, uid, expected) in [
            (Some("joe"), 1000, "0 1000 1 1 100000 65536 65537 300000 10"),
            (Some("ann"), 1001, "0 1001 1 1 165536 65536"),
            (None, 1000, "0 1000 1 1 300000 10"),
            (Some("eve"), 1002, "0 1002 1"),
        ] {
            assert_eq!(shown(name, uid), expected);
        }
    }
}

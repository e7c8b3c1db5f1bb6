//! Lines of a schemata file: `L3:0=7f0;1=1f`, a resource, and a value for each of its domains.

/// Whether what the file says of the resource of `line` is what the line says, in every domain that it names.
pub(super) fn agrees(file: &str, line: &str) -> bool {
    let Some((resource, wanted)) = split(line) else { return false };
    let Some((_, found)) = file.lines().filter_map(split).find(|(name, _)| *name == resource) else {
        return false;
    };
    let same = |a: &str, b: &str| a.trim_start_matches('0').eq_ignore_ascii_case(b.trim_start_matches('0'));
    domains(wanted)
        .all(|(domain, value)| domains(found).any(|(other, has)| domain == other && same(value, has)))
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (resource, domains) = line.split_once(':')?;
    Some((resource.trim(), domains.trim()))
}

fn domains(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').map_or((part, ""), |(domain, value)| (domain.trim(), value.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison() {
        let file = "    MB:0=100;1= 70\n    L3:0=007ff;1=7F0\n";
        for (line, expected) in [
            ("L3:0=7ff;1=7f0", true),
            ("L3:1=7f0", true),
            ("L3:0=7ff;1=7ff", false),
            ("L3:2=7ff", false),
            ("MB:0=100;1=70;", true),
            ("MB:0=10", false),
            ("L2:0=f", false),
            ("L3", false),
        ] {
            assert_eq!(agrees(file, line), expected, "{line}");
        }
    }
}

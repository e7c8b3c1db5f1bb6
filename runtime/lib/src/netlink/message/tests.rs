use super::{ACK, Batch, CREATE, REQUEST, attribute, attributes, messages, read_text, read_u16, read_u32};

/// Two messages, the second with nested attributes and padding.
fn batch() -> Batch {
    let mut batch = Batch::default();
    batch.push(("make", "one"), 16, CREATE, |message| message.raw(&[1, 2, 3, 4]));
    batch.push(("make", "two"), 20, 0, |message| {
        message.raw(&[9; 8]);
        message.text(3, "eth0");
        message.nest(18, |nest| {
            nest.attribute(1, b"abc");
            nest.number(2, 7);
            nest.big(3, 7);
        });
    });
    batch.acknowledge();
    batch
}

#[test]
fn what_is_written_is_read() {
    let batch = batch();
    let found: Vec<_> = messages(batch.bytes()).collect();
    let kinds: Vec<_> = found.iter().map(|message| (message.kind, message.sequence)).collect();
    assert_eq!(kinds, [(16, 1), (20, 2)]);
    assert_eq!(found[0].body, [1, 2, 3, 4]);

    let body = &found[1].body[8..];
    assert_eq!(attributes(body).map(|(kind, _)| kind).collect::<Vec<_>>(), [3, 18]);
    assert_eq!(attribute(body, 3).map(read_text).as_deref(), Some("eth0"));
    let nest: Vec<_> = attributes(attribute(body, 18).unwrap()).collect();
    assert_eq!(nest, [(1, &b"abc"[..]), (2, &7u32.to_ne_bytes()[..]), (3, &7u32.to_be_bytes()[..])]);
}

#[test]
fn lengths_are_even_words_and_flags_are_each_messages_own() {
    let batch = batch();
    let bytes = batch.bytes();
    assert_eq!(read_u32(bytes, 0), Some(20));
    assert_eq!(read_u16(bytes, 6), Some(CREATE | REQUEST));
    // header, eight bytes, name padded to 12, nest of 4 and 8 and 8 and 8
    assert_eq!(read_u32(bytes, 20), Some(16 + 8 + 12 + 28));
    assert_eq!(read_u16(bytes, 26), Some(REQUEST | ACK));
    assert_eq!(bytes.len(), 20 + 64);
}

#[test]
fn a_cut_off_answer_is_read_as_far_as_it_goes() {
    let batch = batch();
    for end in 0..batch.bytes().len() {
        for message in messages(&batch.bytes()[..end]) {
            for (_, value) in attributes(message.body) {
                attributes(value).for_each(drop);
            }
        }
    }
    let cut = &batch.bytes()[..20 + 24];
    assert_eq!(messages(cut).map(|message| message.body.len()).collect::<Vec<_>>(), [4, 8]);
    // No length leads backwards or nowhere.
    assert_eq!(attributes(&[0; 8]).count(), 0);
    assert_eq!(messages(&[0; 32]).count(), 0);
}

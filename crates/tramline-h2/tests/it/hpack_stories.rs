//! Stories by other people's HPACK encoders, read by our decoder; their sections by our
//! encoder, written for other people's decoders. `interop/hpack/README.md` says how
//! fresh ones are made, and what a story looks like.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tramline_h2::Indexing;
use tramline_h2::hpack::{BlockLimits, Decoder, Encoder, FieldBlock, Opaque};

const LIMITS: BlockLimits = BlockLimits { list_len_max: 1 << 20, list_len_hard_max: 1 << 20, field_count_max: 10_000 };

type Field = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
enum Step {
    Size(u32),
    Block(Vec<u8>, Vec<Field>),
    Refused(Vec<u8>),
}

struct Story {
    title: String,
    steps: Vec<Step>,
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        octets.push(u8::from_str_radix(&part[..2], 16).unwrap());
        octets.extend_from_slice(&part.as_bytes()[2..]);
    }
    octets
}

fn escape(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, &octet| {
        match octet {
            b'\\' | 0..=0x20 | 0x7f.. => write!(text, "\\x{octet:02x}").unwrap(),
            _ => text.push(char::from(octet)),
        }
        text
    })
}

fn read(path: &Path) -> Vec<Story> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut stories: Vec<Story> = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "story" {
            stories.push(Story { title: rest.into(), steps: Vec::new() });
            continue;
        }
        let steps = &mut stories.last_mut().unwrap().steps;
        match word {
            "size" => steps.push(Step::Size(rest.parse().unwrap())),
            "block" => steps.push(Step::Block(hex(rest), Vec::new())),
            "refused" => steps.push(Step::Refused(hex(rest))),
            "field" => {
                let (name, value) = rest.split_once(' ').unwrap();
                let Some(Step::Block(_, fields)) = steps.last_mut() else { panic!("a field without a block") };
                fields.push((unescape(name), unescape(value)));
            }
            _ => panic!("{line}"),
        }
    }
    stories
}

fn pairs(block: &FieldBlock<()>) -> Vec<Field> {
    block.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

fn decode(story: &Story) {
    let mut decoder = Decoder::new(Opaque, 4096);
    let mut block = FieldBlock::new();
    for (n, step) in story.steps.iter().enumerate() {
        block.clear();
        match step {
            Step::Size(size) => decoder.set_table_size_max(*size as usize),
            Step::Block(wire, fields) => {
                assert_eq!(decoder.decode(wire, LIMITS, &mut block), Ok(()), "{}, step {n}", story.title);
                assert_eq!(&pairs(&block), fields, "{}, step {n}", story.title);
            }
            Step::Refused(wire) => {
                assert!(decoder.decode(wire, LIMITS, &mut block).is_err(), "{}, step {n}", story.title);
            }
        }
    }
}

/// Our encoder's story of the same sections; it must be one for our decoder, too.
fn encode(story: &Story, table_size_cap: usize) -> Story {
    let mut encoder = Encoder::new(table_size_cap);
    let mut steps = Vec::new();
    for step in &story.steps {
        match step {
            Step::Size(size) => {
                encoder.set_peer_table_size(*size);
                steps.push(Step::Size(*size));
            }
            Step::Block(_, fields) => {
                let mut wire = Vec::new();
                encoder.begin_block(&mut wire);
                for (n, (name, value)) in fields.iter().enumerate() {
                    let indexing = [Indexing::Incremental, Indexing::None, Indexing::Never]
                        [usize::from(n % 7 == 5) + usize::from(n % 11 == 10)];
                    encoder.encode(name, value, indexing, &mut wire);
                }
                steps.push(Step::Block(wire, fields.clone()));
            }
            Step::Refused(_) => {}
        }
    }
    let ours = Story { title: format!("tramline, sections of {}", story.title), steps };
    decode(&ours);
    ours
}

fn write(path: &Path, stories: &[Story]) {
    let mut text = String::new();
    for story in stories {
        writeln!(text, "story {}", story.title).unwrap();
        for step in &story.steps {
            match step {
                Step::Size(size) => writeln!(text, "size {size}").unwrap(),
                Step::Refused(_) => {}
                Step::Block(wire, fields) => {
                    let digits: String = wire.iter().map(|octet| format!("{octet:02x}")).collect();
                    writeln!(text, "block {digits}").unwrap();
                    for (name, value) in fields {
                        writeln!(text, "field {} {}", escape(name), escape(value)).unwrap();
                    }
                }
            }
        }
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn story_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "story"));
    assert!(!paths.is_empty(), "no stories in {}", directory.display());
    paths
}

#[test]
fn stories_that_are_checked_in() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut refused_count = 0;
    for path in story_files(&directory) {
        for story in read(&path) {
            decode(&story);
            [0, 100, 4096, 65_536].into_iter().for_each(|cap| drop(encode(&story, cap)));
            refused_count += story.steps.iter().filter(|step| matches!(step, Step::Refused(_))).count();
        }
    }
    assert!(refused_count > 10, "{refused_count} damaged blocks");
}

#[test]
fn stories_of_the_environment() {
    let Some(directory) = std::env::var_os("TRAMLINE_HPACK_STORIES").map(PathBuf::from) else {
        println!("TRAMLINE_HPACK_STORIES is not set: only the stories that are checked in were read");
        return;
    };
    let mut count = 0;
    for path in story_files(&directory) {
        let stories = read(&path);
        stories.iter().for_each(decode);
        let ours: Vec<_> = stories.iter().map(|story| encode(story, 4096)).collect();
        write(&directory.join("ours").join(path.file_name().unwrap()), &ours);
        count += stories.len();
    }
    println!("{count} stories");
}

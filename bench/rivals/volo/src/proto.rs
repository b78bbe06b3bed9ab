include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));

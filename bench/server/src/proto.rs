pub mod helloworld {
    tramline::include_proto!("helloworld");
}

pub mod bench {
    tramline::include_proto!("bench");
}

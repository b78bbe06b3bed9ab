pub mod helloworld {
    tonic::include_proto!("helloworld");
}

pub mod bench {
    tonic::include_proto!("bench");
}

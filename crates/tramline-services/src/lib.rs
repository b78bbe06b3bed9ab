//! gRPC's standard services for Tramline: health, reflection, rich error details.

//! A seeded network between two engines.

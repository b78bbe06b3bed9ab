//! stub
#![allow(missing_docs, unused)]
use alloc::vec::Vec;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind { Method, MethodConnect, Scheme, Authority, Path, Status, StatusInformational, Protocol, Regular, ContentLength, Host, Te, Malformed }
pub trait Classifier { type Token: Copy + Default + core::fmt::Debug; fn classify(&self, name: &[u8], value: &[u8]) -> Classified<Self::Token>; }
pub struct Classified<T> { pub token: T, pub keep: bool }
#[derive(Debug)]
pub struct FieldBlock<T> { f: Vec<T> }
pub struct FieldRef<'a, T> { pub kind: FieldKind, pub token: T, pub name: &'a [u8], pub value: &'a [u8] }
impl<T: Copy + Default + core::fmt::Debug> FieldBlock<T> { pub fn new() -> Self { FieldBlock { f: Vec::new() } } pub fn clear(&mut self) {} pub fn iter(&self) -> impl Iterator<Item = FieldRef<'_, T>> { core::iter::empty() } pub fn oversize(&self) -> bool { false } }
#[derive(Debug)]
pub struct Decoder<C> { c: C }
#[derive(Clone, Copy)] pub struct BlockLimits { pub list_len_max: usize, pub list_len_hard_max: usize, pub field_count_max: usize }
#[derive(Debug)] pub enum HpackError { ListTooLong, X }
impl<C: Classifier> Decoder<C> { pub fn new(c: C, _m: usize) -> Self { Decoder { c } } pub fn classifier(&self) -> &C { &self.c } pub fn decode(&mut self, b: &[u8], l: BlockLimits, out: &mut FieldBlock<C::Token>) -> Result<(), HpackError> { Ok(()) } pub fn set_table_size_max(&mut self, n: usize) {} }
#[derive(Debug)]
pub struct Encoder {}
#[derive(Clone, Copy, Debug)] pub enum Indexing { Incremental, None, Never }
impl Encoder { pub fn new(c: usize) -> Self { Encoder {} } pub fn set_peer_table_size(&mut self, n: u32) {} pub fn begin_block(&mut self, out: &mut Vec<u8>) {} pub fn encode(&mut self, n: &[u8], v: &[u8], i: Indexing, o: &mut Vec<u8>) {} }
pub struct Opaque;

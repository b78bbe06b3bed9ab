//! Fields and messages.

use std::ops::Range;
use std::sync::Arc;

use buffa_descriptor::{
    DescriptorPool, DynamicMessage, FieldDescriptor, FieldKind, MapKey, MapValue, MessageDescriptor, MessageIndex,
    ReflectMessage, ReflectMessageMut, ScalarType, SingularKind, Value,
};

use super::lexer::{Lexer, SEPARATOR, Token, TokenKind};
use super::value;
use crate::input_error::InputError;
use crate::suggest;

/// Messages within messages; the limit of protobuf's own parsers.
const DEPTH_MAX: usize = 100;

const ANY: &str = "google.protobuf.Any";

/// What closes a message.
#[derive(Clone)]
enum Close {
    /// The end of the text, or a separator.
    End,
    /// The bracket that answers the one at this place.
    Bracket(char, Range<usize>),
}

pub(super) struct Parser<'s, 'p> {
    pub(super) pool: &'p Arc<DescriptorPool>,
    pub(super) token: Token<'s>,
    lexer: Lexer<'s>,
    depth: usize,
}

impl<'s, 'p> Parser<'s, 'p> {
    pub(super) fn new(pool: &'p Arc<DescriptorPool>, source: &'s str) -> Result<Self, InputError> {
        let mut lexer = Lexer::new(source);
        let token = lexer.token()?;
        Ok(Parser { pool, token, lexer, depth: 0 })
    }

    /// All messages of the text: one without braces, or any number in braces, between
    /// separators. Nothing at all is one empty message.
    pub(super) fn messages(mut self, index: MessageIndex) -> Result<Vec<DynamicMessage>, InputError> {
        let mut messages = Vec::new();
        loop {
            if self.token.is('{') {
                self.braced_messages(index, &mut messages)?;
            } else {
                let mut message = DynamicMessage::new(Arc::clone(self.pool), index);
                self.fields(&mut message, &Close::End)?;
                messages.push(message);
            }
            if !self.token.is(SEPARATOR) {
                break;
            }
            self.advance()?;
            if self.token.kind == TokenKind::End {
                break;
            }
        }
        match self.token.kind {
            TokenKind::End => Ok(messages),
            _ => Err(self.unexpected("the end")),
        }
    }

    fn braced_messages(&mut self, index: MessageIndex, messages: &mut Vec<DynamicMessage>) -> Result<(), InputError> {
        while self.token.is('{') {
            messages.push(self.message(index)?);
            self.skip_separator()?;
        }
        Ok(())
    }

    pub(super) fn advance(&mut self) -> Result<Token<'s>, InputError> {
        let next = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// Takes the symbol if it is next.
    pub(super) fn take(&mut self, symbol: char) -> Result<bool, InputError> {
        let is_next = self.token.is(symbol);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    pub(super) fn unexpected(&self, expected: &str) -> InputError {
        InputError::new(self.token.span(), format!("expected {expected}, found {}", self.token.describe()))
    }

    fn skip_separator(&mut self) -> Result<(), InputError> {
        if !self.take(',')? {
            self.take(';')?;
        }
        Ok(())
    }

    /// A message in its brackets: `{ … }` or `< … >`.
    pub(super) fn message(&mut self, index: MessageIndex) -> Result<DynamicMessage, InputError> {
        let mut message = DynamicMessage::new(Arc::clone(self.pool), index);
        let close = self.open_bracket(index)?;
        self.fields(&mut message, &close)?;
        self.close_bracket()?;
        Ok(message)
    }

    fn open_bracket(&mut self, index: MessageIndex) -> Result<Close, InputError> {
        let close = match self.token.kind {
            TokenKind::Symbol('{') => '}',
            TokenKind::Symbol('<') => '>',
            _ => {
                let name = self.pool.message(index).full_name();
                return Err(self.unexpected("`{`").with_hint(format!("the value is a message, {name}: write {{ … }}")));
            }
        };
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(InputError::new(self.token.span(), format!("messages are nested over {DEPTH_MAX} deep")));
        }
        let opened = self.advance()?;
        Ok(Close::Bracket(close, opened.span()))
    }

    fn close_bracket(&mut self) -> Result<(), InputError> {
        self.depth -= 1;
        self.advance().map(drop)
    }

    fn is_at(&self, close: &Close) -> Result<bool, InputError> {
        let is_end = self.token.kind == TokenKind::End || self.token.is(SEPARATOR);
        match close {
            Close::End => Ok(is_end),
            Close::Bracket(bracket, _) if self.token.is(*bracket) => Ok(true),
            Close::Bracket(bracket, opened) if is_end => {
                Err(InputError::new(opened.clone(), "this bracket is never closed")
                    .with_hint(format!("add `{bracket}` at the end")))
            }
            Close::Bracket(..) => Ok(false),
        }
    }

    fn fields(&mut self, message: &mut DynamicMessage, close: &Close) -> Result<(), InputError> {
        while !self.is_at(close)? {
            self.field(message)?;
            self.skip_separator()?;
        }
        Ok(())
    }

    fn field(&mut self, message: &mut DynamicMessage) -> Result<(), InputError> {
        let index = message.message_index();
        if self.token.is('[') {
            return self.bracketed_field(message);
        }
        if self.token.kind != TokenKind::Identifier {
            return Err(self.not_a_field_name(index));
        }
        let name = self.advance()?;
        let pool = self.pool;
        let descriptor = pool.message(index);
        let Some(field) = find_field(pool, descriptor, name.text) else {
            return Err(no_such_field(descriptor, name.text, name.span()));
        };
        self.field_value(message, field, name.span())
    }

    fn not_a_field_name(&self, index: MessageIndex) -> InputError {
        let error = self.unexpected("a field name");
        let name = self.pool.message(index).full_name();
        match self.token.kind {
            TokenKind::Text => error.with_hint("field names are written without quotes"),
            TokenKind::Symbol('{' | '<') => error.with_hint("a message inside a message follows a field's name"),
            TokenKind::Symbol('}' | '>' | ']') => error.with_hint("this bracket was never opened"),
            _ => error.with_hint_if(
                suggest::choices(field_names(self.pool.message(index))).map(|fields| format!("{name} has {fields}")),
            ),
        }
    }

    /// `[pkg.extension]: value`, or in an Any `[type.googleapis.com/pkg.Type] { … }`.
    fn bracketed_field(&mut self, message: &mut DynamicMessage) -> Result<(), InputError> {
        let (name, span) = self.lexer.bracketed()?;
        self.token = self.lexer.token()?;
        if name.contains('/') {
            return self.any(message, &name, span);
        }
        let pool = self.pool;
        let index = message.message_index();
        match pool.extension_by_name(&name).filter(|extension| extension.extendee() == index) {
            Some(extension) => self.field_value(message, extension.field(), span),
            None => Err(self.no_such_extension(index, &name, span)),
        }
    }

    fn no_such_extension(&self, index: MessageIndex, name: &str, span: Range<usize>) -> InputError {
        let full_name = self.pool.message(index).full_name();
        let names: Vec<&str> = self.pool.extensions_of(index).map(|extension| extension.full_name()).collect();
        InputError::new(span, format!("{full_name} has no extension `{name}`"))
            .with_hint_if(suggest::hint(name, names.iter().copied()))
    }

    fn any(&mut self, message: &mut DynamicMessage, url: &str, span: Range<usize>) -> Result<(), InputError> {
        let pool = self.pool;
        let descriptor = pool.message(message.message_index());
        if descriptor.full_name() != ANY {
            return Err(InputError::new(span, format!("{} is not an Any", descriptor.full_name()))
                .with_hint(format!("only {ANY} takes a type in brackets")));
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        let Some(index) = pool.message_index(name) else {
            let known = pool.messages().iter().map(MessageDescriptor::full_name);
            return Err(InputError::new(span, format!("the type `{name}` is not in the schema"))
                .with_hint_if(suggest::nearest(name, known).map(|name| format!("did you mean `{name}`?"))));
        };
        self.take(':')?;
        let packed = self.message(index)?;
        let octets = packed.try_encode_to_vec().map_err(|error| InputError::new(span.clone(), error.to_string()))?;
        self.set(message, 1, Value::String(url.to_owned()), &span)?;
        self.set(message, 2, Value::Bytes(octets), &span)
    }

    fn set(
        &self,
        message: &mut DynamicMessage,
        number: u32,
        value: Value,
        span: &Range<usize>,
    ) -> Result<(), InputError> {
        let descriptor = self.pool.message(message.message_index());
        let Some(field) = descriptor.field(number) else {
            return Err(InputError::new(span.clone(), format!("{} has no field {number}", descriptor.full_name())));
        };
        check_unset(message, field, span)?;
        store(message, field, value, span)
    }

    fn field_value(
        &mut self,
        message: &mut DynamicMessage,
        field: &'p FieldDescriptor,
        span: Range<usize>,
    ) -> Result<(), InputError> {
        let has_colon = self.take(':')?;
        match field.kind() {
            FieldKind::Singular(kind) => {
                check_unset(message, field, &span)?;
                let value = self.value(field, kind, has_colon)?;
                store(message, field, value, &span)
            }
            FieldKind::List(kind) => self.listed(has_colon || is_message(kind), &mut |parser| {
                let value = parser.value(field, kind, has_colon)?;
                append(message, field, value, &span)
            }),
            FieldKind::Map { key, value } => self.listed(true, &mut |parser| {
                let (key, value) = parser.map_entry(field, key, value)?;
                put(message, field, key, value, &span)
            }),
        }
    }

    /// One value, or several as `[a, b]`.
    fn listed(
        &mut self,
        may_list: bool,
        take_value: &mut dyn FnMut(&mut Self) -> Result<(), InputError>,
    ) -> Result<(), InputError> {
        let opened = self.token.span();
        if !(may_list && self.take('[')?) {
            return take_value(self);
        }
        if self.take(']')? {
            return Ok(());
        }
        loop {
            take_value(self)?;
            if self.take(']')? {
                return Ok(());
            }
            if self.token.kind == TokenKind::End {
                return Err(InputError::new(opened, "this list is never closed").with_hint("add `]` at the end"));
            }
            if !self.take(',')? {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    /// One value of a field, whatever its label.
    fn value(&mut self, field: &FieldDescriptor, kind: SingularKind, has_colon: bool) -> Result<Value, InputError> {
        if let SingularKind::Message(index) = kind {
            return self.message(index).map(Value::Message);
        }
        if !has_colon {
            return Err(self.no_colon(field.name()));
        }
        if self.token.is('[') {
            return Err(InputError::new(self.token.span(), format!("`{}` takes one value, not a list", field.name())));
        }
        match kind {
            SingularKind::Enum(index) => value::enumeration(self, index, field),
            SingularKind::Scalar(scalar) => value::scalar(self, scalar, field.name()),
            SingularKind::Message(index) => self.message(index).map(Value::Message),
        }
    }

    fn no_colon(&self, name: &str) -> InputError {
        self.unexpected("`:`").with_hint(format!("a value follows its field's name and a colon: {name}: …"))
    }

    /// `{ key: … value: … }`; what is left out has its default.
    fn map_entry(
        &mut self,
        field: &FieldDescriptor,
        key_type: ScalarType,
        kind: SingularKind,
    ) -> Result<(MapKey, Value), InputError> {
        let close = self.open_entry(field)?;
        let (mut key, mut value) = (None, None);
        while !self.is_at(&close)? {
            let name = self.advance()?;
            let has_colon = self.take(':')?;
            match name.text {
                "key" if key.is_none() && !has_colon => return Err(self.no_colon("key")),
                "key" if key.is_none() => key = Some(value::map_key(self, key_type)?),
                "value" if value.is_none() => value = Some(self.value(field, kind, has_colon)?),
                "key" | "value" => {
                    return Err(InputError::new(name.span(), format!("the entry has two of `{}`", name.text)));
                }
                _ => return Err(not_an_entry(field, name.span())),
            }
            self.skip_separator()?;
        }
        self.close_bracket()?;
        let key = key.unwrap_or_else(|| value::default_key(key_type));
        Ok((key, value.unwrap_or_else(|| value::default_value(self.pool, kind))))
    }

    fn open_entry(&mut self, field: &FieldDescriptor) -> Result<Close, InputError> {
        let close = match self.token.kind {
            TokenKind::Symbol('{') => '}',
            TokenKind::Symbol('<') => '>',
            _ => return Err(not_an_entry(field, self.token.span())),
        };
        self.depth += 1;
        let opened = self.advance()?;
        Ok(Close::Bracket(close, opened.span()))
    }
}

fn is_message(kind: SingularKind) -> bool {
    matches!(kind, SingularKind::Message(_))
}

fn not_an_entry(field: &FieldDescriptor, span: Range<usize>) -> InputError {
    let name = field.name();
    InputError::new(span, format!("`{name}` is a map"))
        .with_hint(format!("write one {name} {{ key: … value: … }} for each entry"))
}

/// A field by its name; a group also by its type's name
/// (<https://protobuf.dev/reference/protobuf/textformat-spec/#field-names>).
fn find_field<'p>(pool: &DescriptorPool, message: &'p MessageDescriptor, name: &str) -> Option<&'p FieldDescriptor> {
    message
        .field_by_name(name)
        .or_else(|| message.fields().iter().find(|field| group_name(pool, field).is_some_and(|group| group == name)))
}

/// The name of the type of a field that is, or is like, a group.
pub(super) fn group_name<'p>(pool: &'p DescriptorPool, field: &FieldDescriptor) -> Option<&'p str> {
    let (FieldKind::Singular(SingularKind::Message(index)) | FieldKind::List(SingularKind::Message(index))) =
        field.kind()
    else {
        return None;
    };
    let type_name = pool.message(index).full_name().rsplit('.').next()?;
    (field.is_delimited() && type_name.to_ascii_lowercase() == field.name()).then_some(type_name)
}

fn field_names(message: &MessageDescriptor) -> impl Iterator<Item = &str> + Clone {
    message.fields().iter().map(FieldDescriptor::name)
}

fn no_such_field(message: &MessageDescriptor, name: &str, span: Range<usize>) -> InputError {
    let error = InputError::new(span, format!("{} has no field `{name}`", message.full_name()));
    match suggest::nearest(name, field_names(message)) {
        Some(field) => error.with_hint(format!("did you mean `{field}`?")),
        None => match suggest::choices(field_names(message)) {
            Some(fields) => error.with_hint(format!("it has {fields}")),
            None => error.with_hint("it has no fields at all: send {}"),
        },
    }
}

/// A field that is not repeated is given once, and of a oneof one member.
fn check_unset(message: &DynamicMessage, field: &FieldDescriptor, span: &Range<usize>) -> Result<(), InputError> {
    if message.field_by_number(field.number()).is_some() {
        let error = InputError::new(span.clone(), format!("`{}` is given twice", field.name()));
        return Err(error.with_hint("it is not a repeated field"));
    }
    let descriptor = message.message_descriptor();
    let oneof = field.oneof_index().and_then(|index| descriptor.oneofs().get(usize::from(index)));
    let set = oneof.and_then(|oneof| Some((oneof, message.which_oneof(oneof)?)));
    match set {
        Some((oneof, other)) => {
            let what = format!("`{}` and `{}` cannot both be given", field.name(), other.name());
            Err(InputError::new(span.clone(), what)
                .with_hint(format!("they are members of the oneof `{}`", oneof.name())))
        }
        None => Ok(()),
    }
}

fn store(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    value: Value,
    span: &Range<usize>,
) -> Result<(), InputError> {
    message.try_set(field, value).map_err(|error| InputError::new(span.clone(), error.to_string()))
}

fn append(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    value: Value,
    span: &Range<usize>,
) -> Result<(), InputError> {
    match message.field_by_number_mut(field.number()) {
        Some(Value::List(values)) => {
            values.push(value);
            Ok(())
        }
        _ => store(message, field, Value::List(vec![value]), span),
    }
}

fn put(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    key: MapKey,
    value: Value,
    span: &Range<usize>,
) -> Result<(), InputError> {
    match message.field_by_number_mut(field.number()) {
        Some(Value::Map(entries)) => {
            entries.insert(key, value);
            Ok(())
        }
        _ => store(message, field, Value::Map(MapValue::from_entries(vec![(key, value)])), span),
    }
}

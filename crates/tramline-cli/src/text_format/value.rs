//! Scalars and enum values.

use std::sync::Arc;

use buffa::editions::EnumType;
use buffa_descriptor::{
    DescriptorPool, DynamicMessage, EnumIndex, EnumValueDescriptor, FieldDescriptor, MapKey, ScalarType, SingularKind,
    Value,
};

use super::lexer::{Token, TokenKind};
use super::literal;
use super::parser::Parser;
use crate::input_error::InputError;
use crate::suggest;

/// A value of the scalar type, for what `name` says.
pub(super) fn scalar(parser: &mut Parser<'_, '_>, scalar: ScalarType, name: &str) -> Result<Value, InputError> {
    match scalar {
        ScalarType::Bool => boolean(parser, name).map(Value::Bool),
        ScalarType::String => string(parser, name).map(Value::String),
        ScalarType::Bytes => bytes(parser, name).map(Value::Bytes),
        ScalarType::Double | ScalarType::Float => float(parser, scalar, name),
        _ => integer(parser, scalar, name),
    }
}

pub(super) fn map_key(parser: &mut Parser<'_, '_>, scalar_type: ScalarType) -> Result<MapKey, InputError> {
    let span = parser.token.span();
    match scalar(parser, scalar_type, "key")? {
        Value::Bool(key) => Ok(MapKey::Bool(key)),
        Value::I32(key) => Ok(MapKey::I32(key)),
        Value::I64(key) => Ok(MapKey::I64(key)),
        Value::U32(key) => Ok(MapKey::U32(key)),
        Value::U64(key) => Ok(MapKey::U64(key)),
        Value::String(key) => Ok(MapKey::String(key)),
        _ => Err(InputError::new(span, "this type cannot be the key of a map")),
    }
}

pub(super) fn default_key(scalar: ScalarType) -> MapKey {
    match scalar {
        ScalarType::Bool => MapKey::Bool(false),
        ScalarType::String => MapKey::String(String::new()),
        ScalarType::Int64 | ScalarType::Sint64 | ScalarType::Sfixed64 => MapKey::I64(0),
        ScalarType::Uint64 | ScalarType::Fixed64 => MapKey::U64(0),
        ScalarType::Uint32 | ScalarType::Fixed32 => MapKey::U32(0),
        _ => MapKey::I32(0),
    }
}

pub(super) fn default_value(pool: &Arc<DescriptorPool>, kind: SingularKind) -> Value {
    match kind {
        SingularKind::Message(index) => Value::Message(DynamicMessage::new(Arc::clone(pool), index)),
        SingularKind::Enum(index) => {
            Value::EnumNumber(pool.enumeration(index).values().first().map_or(0, EnumValueDescriptor::number))
        }
        SingularKind::Scalar(scalar) => match scalar {
            ScalarType::Bool => Value::Bool(false),
            ScalarType::String => Value::String(String::new()),
            ScalarType::Bytes => Value::Bytes(Vec::new()),
            ScalarType::Double => Value::F64(0.0),
            ScalarType::Float => Value::F32(0.0),
            ScalarType::Int64 | ScalarType::Sint64 | ScalarType::Sfixed64 => Value::I64(0),
            ScalarType::Uint64 | ScalarType::Fixed64 => Value::U64(0),
            ScalarType::Uint32 | ScalarType::Fixed32 => Value::U32(0),
            ScalarType::Int32 | ScalarType::Sint32 | ScalarType::Sfixed32 => Value::I32(0),
        },
    }
}

fn boolean(parser: &mut Parser<'_, '_>, name: &str) -> Result<bool, InputError> {
    let token = parser.token;
    let value = match (token.kind, token.text) {
        (TokenKind::Identifier, "true" | "True" | "t") => true,
        (TokenKind::Identifier, "false" | "False" | "f") => false,
        (TokenKind::Integer, text) if literal::integer(text) == Some(1) => true,
        (TokenKind::Integer, text) if literal::integer(text) == Some(0) => false,
        _ => return Err(wrong(parser, name, "a bool", "write true or false")),
    };
    parser.advance()?;
    Ok(value)
}

/// One or more literals side by side.
fn bytes(parser: &mut Parser<'_, '_>, name: &str) -> Result<Vec<u8>, InputError> {
    if parser.token.kind != TokenKind::Text {
        let hint = match parser.token.kind {
            TokenKind::Identifier | TokenKind::Integer | TokenKind::Float => {
                format!("put it in quotes: '{}' (the shell may have eaten yours)", parser.token.text)
            }
            _ => "put it in quotes".to_owned(),
        };
        return Err(wrong(parser, name, "a string", &hint));
    }
    let mut octets = Vec::new();
    while parser.token.kind == TokenKind::Text {
        let token = parser.advance()?;
        octets.extend(literal::octets(token.text, token.span().start)?);
    }
    Ok(octets)
}

fn string(parser: &mut Parser<'_, '_>, name: &str) -> Result<String, InputError> {
    let span = parser.token.span();
    String::from_utf8(bytes(parser, name)?).map_err(|_| {
        InputError::new(span, format!("`{name}` is a string, and this is not UTF-8"))
            .with_hint("only a bytes field holds any octets")
    })
}

fn integer(parser: &mut Parser<'_, '_>, scalar: ScalarType, name: &str) -> Result<Value, InputError> {
    let start = parser.token.span().start;
    let is_negative = parser.take('-')?;
    if parser.token.kind != TokenKind::Integer {
        return Err(not_an_integer(parser, scalar, name));
    }
    let token = parser.advance()?;
    let sign = if is_negative { -1 } else { 1 };
    let value = literal::integer(token.text).and_then(|value| fit(i128::from(value) * sign, scalar));
    value.ok_or_else(|| {
        let (least, most) = integer_range(scalar);
        InputError::new(start..token.span().end, format!("`{name}` is {}, and this does not fit", type_name(scalar)))
            .with_hint(format!("it goes from {least} to {most}"))
    })
}

fn not_an_integer(parser: &Parser<'_, '_>, scalar: ScalarType, name: &str) -> InputError {
    let hint = match parser.token.kind {
        TokenKind::Text => "numbers are written without quotes",
        TokenKind::Float => "write it without a fraction, an exponent or an f",
        _ => "write a number",
    };
    wrong(parser, name, type_name(scalar), hint)
}

fn fit(value: i128, scalar: ScalarType) -> Option<Value> {
    match scalar {
        ScalarType::Int64 | ScalarType::Sint64 | ScalarType::Sfixed64 => value.try_into().ok().map(Value::I64),
        ScalarType::Uint64 | ScalarType::Fixed64 => value.try_into().ok().map(Value::U64),
        ScalarType::Uint32 | ScalarType::Fixed32 => value.try_into().ok().map(Value::U32),
        _ => value.try_into().ok().map(Value::I32),
    }
}

/// The least and the greatest number that an integer type holds.
pub(crate) fn integer_range(scalar: ScalarType) -> (i128, i128) {
    match scalar {
        ScalarType::Int64 | ScalarType::Sint64 | ScalarType::Sfixed64 => (i64::MIN.into(), i64::MAX.into()),
        ScalarType::Uint64 | ScalarType::Fixed64 => (0, u64::MAX.into()),
        ScalarType::Uint32 | ScalarType::Fixed32 => (0, u32::MAX.into()),
        _ => (i32::MIN.into(), i32::MAX.into()),
    }
}

/// The type as a `.proto` file names it, with its article.
pub(crate) fn type_name(scalar: ScalarType) -> &'static str {
    match scalar {
        ScalarType::Double => "a double",
        ScalarType::Float => "a float",
        ScalarType::Int64 => "an int64",
        ScalarType::Uint64 => "a uint64",
        ScalarType::Int32 => "an int32",
        ScalarType::Fixed64 => "a fixed64",
        ScalarType::Fixed32 => "a fixed32",
        ScalarType::Bool => "a bool",
        ScalarType::String => "a string",
        ScalarType::Bytes => "bytes",
        ScalarType::Uint32 => "a uint32",
        ScalarType::Sfixed32 => "an sfixed32",
        ScalarType::Sfixed64 => "an sfixed64",
        ScalarType::Sint32 => "an sint32",
        ScalarType::Sint64 => "an sint64",
    }
}

/// A float literal, a decimal integer, `inf`, `infinity` or `nan` in any case.
fn float(parser: &mut Parser<'_, '_>, scalar: ScalarType, name: &str) -> Result<Value, InputError> {
    let is_negative = parser.take('-')?;
    let token = parser.token;
    let Some(text) = float_text(token) else {
        let hint = match token.kind {
            TokenKind::Text => "numbers are written without quotes",
            TokenKind::Integer => "floating-point numbers are decimal",
            _ => "write a number, inf or nan",
        };
        return Err(wrong(parser, name, type_name(scalar), hint));
    };
    let sign = if is_negative { "-" } else { "" };
    let value = match scalar {
        ScalarType::Float => format!("{sign}{text}").parse().ok().map(Value::F32),
        _ => format!("{sign}{text}").parse().ok().map(Value::F64),
    };
    let value = value.ok_or_else(|| wrong(parser, name, type_name(scalar), "write a number"))?;
    parser.advance()?;
    Ok(value)
}

fn float_text(token: Token<'_>) -> Option<String> {
    let text = token.text.to_ascii_lowercase();
    match (token.kind, text.as_str()) {
        (TokenKind::Identifier, "inf" | "infinity" | "nan") => Some(text),
        (TokenKind::Float, _) => Some(text.trim_end_matches('f').to_owned()),
        (TokenKind::Integer, digits) if digits == "0" || !digits.starts_with('0') => Some(text),
        _ => None,
    }
}

/// The name of a value, or its number.
pub(super) fn enumeration(
    parser: &mut Parser<'_, '_>,
    index: EnumIndex,
    field: &FieldDescriptor,
) -> Result<Value, InputError> {
    let pool = Arc::clone(parser.pool);
    let descriptor = pool.enumeration(index);
    let names = descriptor.values().iter().map(EnumValueDescriptor::name);
    if parser.token.kind == TokenKind::Identifier {
        let token = parser.advance()?;
        return match descriptor.value_by_name(token.text) {
            Some(value) => Ok(Value::EnumNumber(value.number())),
            None => {
                Err(InputError::new(token.span(), format!("{} has no value `{}`", descriptor.full_name(), token.text))
                    .with_hint_if(suggest::hint(token.text, names)))
            }
        };
    }
    let span = parser.token.span();
    if !matches!(parser.token.kind, TokenKind::Integer | TokenKind::Symbol('-')) {
        let hint = suggest::choices(names).map(|names| format!("write one of {names}, without quotes, or a number"));
        return Err(parser.unexpected(&format!("a value of {}", descriptor.full_name())).with_hint_if(hint));
    }
    let Value::I32(number) = integer(parser, ScalarType::Int32, field.name())? else {
        return Err(InputError::new(span, "the number of an enum value is an int32"));
    };
    let is_open = field.enum_type().unwrap_or_else(|| descriptor.enum_type()) == EnumType::Open;
    if !is_open && descriptor.value(number).is_none() {
        return Err(InputError::new(span, format!("{} has no value {number}", descriptor.full_name()))
            .with_hint_if(suggest::choices(names).map(|names| format!("there is {names}"))));
    }
    Ok(Value::EnumNumber(number))
}

fn wrong(parser: &Parser<'_, '_>, name: &str, expected: &str, hint: &str) -> InputError {
    let found = parser.token.describe();
    InputError::new(parser.token.span(), format!("`{name}` is {expected}, not {found}")).with_hint(hint)
}

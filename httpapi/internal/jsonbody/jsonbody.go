// Package jsonbody decodes the JSON objects of requests and checks their shape. It finds all errors of the members of
// an object, not only the first one. The domain checks their values.
package jsonbody

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/recurrence"
)

// detailCount is the detail of the field error for a count of 0 in a recurring rule. The domain reads 0 as no limit.
var detailCount = fmt.Sprintf(
	"The count 0 is out of range; give a number from 1 to %d, or leave the member out if there is no limit.",
	recurrence.MaxCount)

// detailEmpty returns the detail of the field error for a member that is an empty text.
func detailEmpty(name string) string {
	return fmt.Sprintf("The member %s is empty; give it a value or, if it is optional, leave it out.",
		expense.QuoteText(name))
}

// unmarshalOptional decodes as [wire.Optional.UnmarshalJSON] does, but its errors also contain a JSON pointer to the
// invalid value.
func unmarshalOptional[T any]() *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, m *wire.Optional[T]) error {
		if dec.PeekKind() == 'n' {
			*m = wire.Null[T]()
			return dec.SkipValue()
		}
		m.Present = true
		return json.UnmarshalDecode(dec, &m.Value)
	})
}

// patchUnmarshalers read the members of all merge patches.
var patchUnmarshalers = json.WithUnmarshalers(json.JoinUnmarshalers(
	unmarshalOptional[string](), unmarshalOptional[bool](), unmarshalOptional[int](), unmarshalOptional[[]string](),
	unmarshalOptional[wire.MonthDay](),
))

// isOptional reports whether t is a [wire.Optional].
func isOptional(t reflect.Type) bool { return strings.HasPrefix(t.Name(), "Optional[") }

// checkPatch returns the members of a merge patch that violate their tag "patch"; see [wire.Optional]. It ignores other
// members.
func checkPatch(patch reflect.Value) []problem.FieldError {
	var errs []problem.FieldError
	for i := range patch.NumField() {
		field, member := patch.Type().Field(i), patch.Field(i)
		if !isOptional(field.Type) || !member.FieldByName("Present").Bool() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		has := func(rule string) bool { return slices.Contains(strings.Split(field.Tag.Get("patch"), ","), rule) }
		f, null := problem.FieldError{Pointer: "#/" + name}, member.FieldByName("Null").Bool()
		switch zero := member.FieldByName("Value").IsZero(); {
		case null && !has("nullable"):
			f.Code, f.Detail = "not_null", fmt.Sprintf("The member %q must not be null; give it a value or leave it out.", name)
		case null || !zero:
			continue
		case has("nonempty"):
			f.Code, f.Detail = "empty", detailEmpty(name)
		case has("nonzero"):
			f.Code, f.Detail = "out_of_range", detailCount
		default:
			continue
		}
		errs = append(errs, f)
	}
	return errs
}

// shape validates the shape of wire structs: required members, empty texts and maximum lengths. The domain validates
// everything else.
var shape = newValidator()

func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	return v
}

// Decode decodes one JSON object. It adds to errs an error for each unknown member and for each member of a wrong type,
// and decodes the other members. Any other violation of JSON, and a repeated member, is an error.
func Decode[T any](raw []byte, errs *problem.FieldErrors) (T, error) {
	return decodeObject[T](raw, errs, nil)
}

// DecodeOuter is Decode for an object whose nested objects are decoded one by one later. In nested objects it accepts
// repeated members and invalid UTF-8.
func DecodeOuter[T any](raw []byte, errs *problem.FieldErrors) (T, error) {
	if err := distinctMembers(raw); err != nil {
		var zero T
		return zero, Malformed(err)
	}
	return decodeObject[T](raw, errs, Lenient())
}

func decodeObject[T any](raw []byte, errs *problem.FieldErrors, opts json.Options) (T, error) {
	options := json.JoinOptions(opts, json.RejectUnknownMembers(true), patchUnmarshalers)
	var zero T
	if err := checkObject(raw); err != nil {
		return zero, err
	}
	var last jsontext.Pointer
	for {
		var value T
		err := json.Unmarshal(raw, &value, options)
		if err == nil {
			return value, nil
		}
		wrong, ok := errors.AsType[*json.SemanticError](err)
		switch {
		case !ok || wrong.JSONPointer == last: // the replaced value is of a wrong type too
			return zero, Malformed(err)
		case errors.Is(err, json.ErrUnknownName):
			addUnknownMembers(raw, reflect.TypeFor[T](), errs)
			options = json.JoinOptions(options, json.RejectUnknownMembers(false))
		default:
			var value jsontext.Value
			if raw, value, err = replaceValue(raw, wrong.JSONPointer, invalidValue(wrong.GoType), options); err != nil {
				return zero, Malformed(err)
			}
			last = wrong.JSONPointer
			errs.Add(wrongType(wrong, value))
		}
	}
}

// invalidValue returns the JSON value that Decode puts in place of a value of a wrong type. For a text, it is one that
// the domain rejects in every member. So the domain does not check other members against the default of this one, such
// as an amount against the home currency. Its error of the text is not listed, because the member has an error already.
func invalidValue(expected reflect.Type) string {
	if expected != nil && expected.Kind() == reflect.String {
		return `"\u0000"`
	}
	return "null"
}

// checkObject returns a problem if the body is not a JSON object.
func checkObject(raw []byte) error {
	e := problem.FieldError{Pointer: "#", Code: "wrong_type", Problem: problem.CodeMalformed}
	trimmed := jsontext.Value(bytes.TrimLeft(raw, " \t\r\n"))
	switch given, ok := KindNames[trimmed.Kind()]; {
	case len(trimmed) == 0:
		e.Code, e.Detail = "required", "The body is empty; send a JSON object."
	case trimmed[0] == '{':
		return nil
	case ok:
		e.Detail = fmt.Sprintf("The JSON value is %s; send an object.", given)
	default:
		e.Detail = "The body is not JSON; send a JSON object."
	}
	return problem.ForField(e)
}

// addUnknownMembers adds an error for each member of the object that the struct type t does not have. No wire struct
// has a nested struct.
func addUnknownMembers(raw []byte, t reflect.Type, errs *problem.FieldErrors) {
	known := map[string]bool{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = true
	}
	eachMember(raw, func(name string, _ int64) bool {
		if !known[name] {
			errs.Add(problem.FieldError{
				Pointer: "#" + cutPointer(jsontext.Pointer("").AppendToken(name)), Code: "unknown_member",
				Problem: problem.CodeMalformed,
				Detail:  fmt.Sprintf("The member %s is unknown; remove it or correct its name.", expense.QuoteText(name)),
			})
		}
		return true
	})
}

// eachMember calls visit with the name of each member of the object itself, not of nested ones, and with the offset of
// the name's end, until visit returns false. It stops at an error of the syntax, which Decode reports.
func eachMember(raw []byte, visit func(name string, end int64) bool) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), Lenient())
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return
	}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil || !visit(token.String(), dec.InputOffset()) || dec.SkipValue() != nil {
			return
		}
	}
}

// Lenient returns options that accept repeated members and invalid UTF-8.
func Lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// distinctMembers returns an error if the object itself, not a nested one, repeats a member. It ignores other errors,
// which Decode reports.
func distinctMembers(raw []byte) (err error) {
	names := map[string]bool{}
	eachMember(raw, func(name string, end int64) bool {
		if names[name] {
			err = &jsontext.SyntacticError{
				ByteOffset: end, JSONPointer: jsontext.Pointer("").AppendToken(name), Err: jsontext.ErrDuplicateName,
			}
		}
		names[name] = true
		return err == nil
	})
	return err
}

// Malformed returns a problem that says where a JSON text is malformed. It does not quote the text, which may
// contain a secret.
func Malformed(err error) error {
	var pointer jsontext.Pointer
	code, detail := "syntax", "The body is not valid JSON; correct its syntax."
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		pointer = syntax.JSONPointer
		detail = fmt.Sprintf("The body is not valid JSON at byte %d; correct its syntax.", syntax.ByteOffset)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		pointer = semantic.JSONPointer
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		code = "duplicate_member"
		detail = fmt.Sprintf("The member %s is given more than once; give it once.", expense.QuoteText(pointer.LastToken()))
	case errors.Is(err, io.ErrUnexpectedEOF):
		detail = "The JSON text of the body ends before it is complete; send all of it."
	}
	p := problem.ForField(problem.FieldError{
		Pointer: "#" + cutPointer(pointer), Code: code, Detail: detail, Problem: problem.CodeMalformed,
	})
	p.Cause = err
	return p
}

// cutPointer returns at most about 100 bytes of a pointer, because the client chose the names in it.
func cutPointer(pointer jsontext.Pointer) string {
	const maxBytes = 100
	if len(pointer) > maxBytes {
		return strings.ToValidUTF8(string(pointer[:maxBytes]), "") + "…"
	}
	return strings.ToValidUTF8(string(pointer), "�")
}

// KindNames are the names of the kinds of JSON values in details.
var KindNames = map[jsontext.Kind]string{
	'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "an array",
}

// isSecret reports whether the member at this path contains a secret, which no detail may quote.
func isSecret(path string) bool {
	return strings.Contains(path, "password") || strings.Contains(path, "token")
}

// wrongType returns the field error for a member of a wrong type. value is the member's value.
func wrongType(wrong *json.SemanticError, value jsontext.Value) problem.FieldError {
	expected := wrong.GoType
	for expected != nil && expected.Kind() == reflect.Pointer {
		expected = expected.Elem()
	}
	wanted := "a value of another type"
	if expected != nil {
		switch expected.Kind() {
		case reflect.String:
			wanted = "a string"
		case reflect.Bool:
			wanted = "true or false"
		case reflect.Int, reflect.Int64:
			wanted = "a whole number"
		case reflect.Slice:
			wanted = "an array"
		default: // no wire struct holds anything else
		}
	}
	path, given := strings.TrimPrefix(string(wrong.JSONPointer), "/"), KindNames[wrong.JSONKind]
	if wrong.JSONKind == '0' && wanted == "a whole number" {
		given, wanted = "not a 64-bit whole number", "an integer without a fraction or an exponent"
	}
	subject := "The value"
	if shown := ShowScalar(value); shown != "" && !isSecret(path) {
		subject += " " + shown
	}
	return problem.FieldError{
		Pointer: "#" + cutPointer(wrong.JSONPointer), Code: "wrong_type",
		Detail: fmt.Sprintf("%s of %s is %s; give %s.", subject, expense.QuoteText(path), given, wanted),
	}
}

// ShowScalar returns a JSON number or string for a detail, or "" for another value.
func ShowScalar(value jsontext.Value) string {
	switch value.Kind() {
	case '0':
		return strings.Trim(expense.QuoteText(string(value)), `"`)
	case '"':
		if text, err := jsontext.AppendUnquote(nil, value); err == nil {
			return expense.QuoteText(string(text))
		}
	default: // a detail names the kind only
	}
	return ""
}

// replaceValue returns the JSON text raw with another value at pointer, and the value that it replaced.
func replaceValue(
	raw []byte, pointer jsontext.Pointer, value string, options json.Options,
) (text []byte, old jsontext.Value, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), options)
	for token := range pointer.Tokens() {
		if err := enter(dec, token); err != nil {
			return nil, nil, err
		}
	}
	if old, err = dec.ReadValue(); err != nil {
		return nil, nil, err
	}
	end := int(dec.InputOffset())
	return slices.Concat(raw[:end-len(old)], []byte(value), raw[end:]), old.Clone(), nil
}

// enter reads the beginning of an object or an array up to the value of the member or the element that token names.
func enter(dec *jsontext.Decoder, token string) error {
	open, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if open.Kind() == '[' {
		index, err := strconv.Atoi(token)
		for range index {
			if err == nil {
				err = dec.SkipValue()
			}
		}
		return err
	}
	for {
		name, err := dec.ReadToken()
		if err != nil || name.Kind() == '"' && name.String() == token {
			return err
		}
		if err := dec.SkipValue(); err != nil {
			return err
		}
	}
}

// Check returns an error for each member of a wire struct that violates its tags "validate" and "patch".
func Check(value any) []problem.FieldError {
	var errs []problem.FieldError
	if err := shape.Struct(value); err != nil {
		invalid, ok := errors.AsType[validator.ValidationErrors](err)
		if !ok {
			panic(err) // the tags of the struct are wrong, so every test of the route fails
		}
		for _, e := range invalid {
			errs = append(errs, shapeError(e))
		}
	}
	return append(errs, checkPatch(reflect.Indirect(reflect.ValueOf(value)))...)
}

// shapeError returns the field error for an error of the validator.
func shapeError(invalid validator.FieldError) problem.FieldError {
	_, path, _ := strings.Cut(invalid.Namespace(), ".") // without the struct's name
	path = strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
	f := problem.FieldError{Pointer: "#/" + path}
	switch invalid.Tag() {
	case "required":
		f.Code, f.Detail = "required", fmt.Sprintf("The member %q is missing; give it a value.", path)
	case "min":
		f.Code, f.Detail = "empty", detailEmpty(path)
	case "max":
		f.Code = "too_long"
		f.Detail = fmt.Sprintf("The member %q has %d elements; give at most %s.",
			path, reflect.ValueOf(invalid.Value()).Len(), invalid.Param())
	case "ne":
		f.Code, f.Detail = "out_of_range", detailCount
	case "oneof":
		f.Code = "unknown_value"
		f.Detail = fmt.Sprintf("The value %s is unknown; give one of %s.",
			expense.QuoteText(fmt.Sprint(invalid.Value())), strings.ReplaceAll(invalid.Param(), " ", ", "))
	default:
		panic(fmt.Sprintf("shapeError has no text for the tag %q of %s", invalid.Tag(), invalid.Namespace()))
	}
	return f
}

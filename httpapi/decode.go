package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"

	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
)

// maxBody is the maximum size of a JSON body in bytes.
const maxBody = 1 << 20

// detailCount is the detail of the field error for a count of 0 in a recurring rule. The domain reads 0 as no limit.
var detailCount = fmt.Sprintf(
	"The count must be a number from 1 to %d; leave it out, or give null, if there is no limit.", recurrence.MaxCount)

// detailEmpty is the detail of the field error for an empty text.
const detailEmpty = "This member must not be empty; leave it out or give it a value."

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
func checkPatch(patch reflect.Value) []fieldError {
	var errs []fieldError
	for i := range patch.NumField() {
		field, member := patch.Type().Field(i), patch.Field(i)
		if !isOptional(field.Type) || !member.FieldByName("Present").Bool() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		has := func(rule string) bool { return slices.Contains(strings.Split(field.Tag.Get("patch"), ","), rule) }
		f, null := fieldError{Pointer: "#/" + name}, member.FieldByName("Null").Bool()
		switch zero := member.FieldByName("Value").IsZero(); {
		case null && !has("nullable"):
			f.Code, f.Detail = "not_null", "This member must not be null; give it a value."
		case null || !zero:
			continue
		case has("nonempty"):
			f.Code, f.Detail = "empty", detailEmpty
		case has("nonzero"):
			f.Code, f.Detail = "out_of_range", detailCount
		default:
			continue
		}
		errs = append(errs, f)
	}
	return errs
}

// newValidator returns a validator of the shape of wire structs: required members, empty texts and maximum lengths. The
// domain validates everything else.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	return v
}

// document is a request body and the T that it was decoded into.
type document[T any] struct {
	raw         []byte
	value       T
	fieldErrors []fieldError // of its shape, see newValidator; the response also lists the errors of the domain
}

// addFieldErrors adds errors, except those of members that already have one.
func (d *document[T]) addFieldErrors(errs ...fieldError) {
	for _, f := range errs {
		if !hasMember(d.fieldErrors, f.member()) {
			d.fieldErrors = append(d.fieldErrors, f)
		}
	}
}

// read decodes the body of the request into a T. It returns an error if the body cannot be decoded. The document holds
// the errors of the shape, see newValidator.
func read[T any](c *call) (document[T], error) {
	raw, err := c.body()
	if err != nil {
		return document[T]{}, err
	}
	return documentOf(c, raw, func(raw []byte) (T, []fieldError, error) { return decode[T](raw) })
}

// documentOf decodes raw with decode and checks its shape.
func documentOf[T any](c *call, raw []byte, decode func(raw []byte) (T, []fieldError, error)) (document[T], error) {
	value, fieldErrors, err := decode(raw)
	if err != nil {
		return document[T]{}, err
	}
	doc := document[T]{raw: raw, value: value, fieldErrors: fieldErrors}
	doc.addFieldErrors(c.api.shape(value)...)
	return doc, nil
}

// body reads the whole body. Its Content-Type must be JSON.
func (c *call) body() ([]byte, error) {
	if err := c.checkEncoding(); err != nil {
		return nil, err
	}
	if err := checkMedia(c.Request); err != nil {
		return nil, err
	}
	if c.Request.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	var buf bytes.Buffer
	if n := c.Request.ContentLength; n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)); err != nil {
		return nil, readError(err)
	}
	return buf.Bytes(), nil
}

// readError returns the error for a body that could not be read: too large, or incomplete.
func readError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return &problem{code: codeMalformed, detail: "The body ended before it was complete.", cause: err}
}

// checkEncoding returns a problem for a compressed body, because a small body could decompress to a large one.
func (c *call) checkEncoding() error {
	for _, line := range c.Request.Header.Values("Content-Encoding") {
		if !strings.EqualFold(line, "identity") {
			c.Writer.Header().Set("Accept-Encoding", "identity")
			return newProblem(codeUnsupportedMediaType, "The body must not be compressed; send it without Content-Encoding.")
		}
	}
	return nil
}

// checkMedia returns a problem for a body that is not JSON in UTF-8. A PATCH may also be a merge patch.
func checkMedia(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == mediaJSON {
		return nil
	}
	media, params, err := mime.ParseMediaType(given)
	charset, hasCharset := params["charset"]
	switch {
	case err != nil || media != mediaJSON && (media != mediaMergePatch || r.Method != http.MethodPatch):
		return newProblem(codeUnsupportedMediaType, "The body must have the Content-Type %s.", mediaJSON)
	case hasCharset && !strings.EqualFold(charset, "utf-8"):
		return newProblem(codeUnsupportedMediaType, "The body must be in UTF-8.")
	}
	return nil
}

// decode decodes one JSON object. It returns a field error for each member of a wrong type, and decodes the other
// members. Any other violation of JSON, and an unknown or repeated member, is an error.
func decode[T any](raw []byte, opts ...json.Options) (T, []fieldError, error) {
	options := json.JoinOptions(append(opts, json.RejectUnknownMembers(true), patchUnmarshalers)...)
	var fieldErrors []fieldError
	for {
		var value T
		if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
			return value, nil, newProblem(codeMalformed, "The body must be a JSON object.")
		}
		err := json.Unmarshal(raw, &value, options)
		if err == nil {
			return value, fieldErrors, nil
		}
		wrong, ok := errors.AsType[*json.SemanticError](err)
		if !ok || errors.Is(err, json.ErrUnknownName) || wrong.JSONPointer == "" {
			return value, nil, malformedJSON(err)
		}
		fieldErrors = append(fieldErrors, wrongType(wrong))
		if raw, err = withNull(raw, wrong.JSONPointer, options); err != nil {
			return value, nil, malformedJSON(err)
		}
	}
}

// decodeOuter is decode for an object whose nested objects are decoded one by one later. In nested objects it accepts
// repeated members and invalid UTF-8.
func decodeOuter[T any](raw []byte) (T, []fieldError, error) {
	if err := distinctMembers(raw); err != nil {
		var zero T
		return zero, nil, malformedJSON(err)
	}
	return decode[T](raw, lenient())
}

// lenient returns options that accept repeated members and invalid UTF-8.
func lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// distinctMembers returns an error if the object itself, not a nested one, repeats a member. It ignores other errors,
// which decode reports.
func distinctMembers(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), lenient())
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return nil //nolint:nilerr // decode reports it
	}
	names := map[string]bool{}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil //nolint:nilerr // decode reports it
		}
		name := token.String()
		if names[name] {
			return &jsontext.SyntacticError{
				ByteOffset: dec.InputOffset(), JSONPointer: jsontext.Pointer("").AppendToken(name), Err: jsontext.ErrDuplicateName,
			}
		}
		names[name] = true
		if err := dec.SkipValue(); err != nil {
			return nil //nolint:nilerr // decode reports it
		}
	}
	return nil
}

// malformedJSON returns a problem that says where a JSON text is malformed. It does not quote the text.
func malformedJSON(err error) error {
	p := &problem{code: codeMalformed, detail: "The body is not valid JSON for this operation.", cause: err}
	var pointer jsontext.Pointer
	code, detail := "syntax", "The JSON syntax is not valid here."
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		pointer = syntax.JSONPointer
		detail = fmt.Sprintf("The JSON syntax is not valid after %d bytes.", syntax.ByteOffset)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		pointer = semantic.JSONPointer
	}
	switch {
	case errors.Is(err, json.ErrUnknownName):
		code, detail = "unknown_member", "This member is unknown; remove it or correct its name."
	case errors.Is(err, jsontext.ErrDuplicateName):
		code, detail = "duplicate_member", "This member is given more than once; give it once."
	case errors.Is(err, io.ErrUnexpectedEOF):
		detail = "The JSON text ends before it is complete."
	}
	p.fieldErrors = []fieldError{{Pointer: "#" + cutPointer(pointer), Code: code, Detail: detail}}
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

// kindNames are the names of the kinds of JSON values in details.
var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "an array",
}

// wrongType returns the field error for a member of a wrong type.
func wrongType(wrong *json.SemanticError) fieldError {
	expected := wrong.GoType
	for expected != nil && expected.Kind() == reflect.Pointer {
		expected = expected.Elem()
	}
	wanted := "of another type"
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
	detail := fmt.Sprintf("This member must be %s, not %s.", wanted, kindNames[wrong.JSONKind])
	if wrong.JSONKind == '0' && wanted == "a whole number" {
		detail = fmt.Sprintf("%.40s is not a 64-bit whole number; write an integer without a fraction or an exponent.",
			wrong.JSONValue)
	}
	return fieldError{
		Pointer: "#" + cutPointer(wrong.JSONPointer), Code: "wrong_type", Detail: detail,
	}
}

// withNull returns the JSON object raw with null as the value of the member that pointer leads into.
func withNull(raw []byte, pointer jsontext.Pointer, options json.Options) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), options)
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	var first string
	for token := range pointer.Tokens() {
		first = token
		break
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		isMember := name.String() == first
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if isMember {
			end := int(dec.InputOffset())
			out := append([]byte{}, raw[:end-len(value)]...)
			return append(append(out, "null"...), raw[end:]...), nil
		}
	}
	return nil, fmt.Errorf("the object has no member %q", first)
}

// shape returns the members of a wire struct that violate its tags "validate" and "patch".
func (a *api) shape(value any) []fieldError {
	var errs []fieldError
	if err := a.validate.Struct(value); err != nil {
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
func shapeError(invalid validator.FieldError) fieldError {
	_, path, _ := strings.Cut(invalid.Namespace(), ".") // without the struct's name
	f := fieldError{Pointer: "#/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)}
	switch invalid.Tag() {
	case "required", "required_without":
		f.Code, f.Detail = "required", "This member is required."
	case "min":
		f.Code, f.Detail = "empty", detailEmpty
	case "max":
		f.Code = "too_long"
		f.Detail = fmt.Sprintf("This member must have at most %s characters or elements.", invalid.Param())
	case "ne":
		f.Code, f.Detail = "out_of_range", detailCount
	case "oneof":
		f.Code, f.Detail = "unknown_value", fmt.Sprintf("This member must be one of: %s.", invalid.Param())
	case "email":
		f.Code, f.Detail = "malformed_email", "This member must be an email address."
	default:
		f.Code, f.Detail = "not_allowed", fmt.Sprintf("This member violates the rule %q.", invalid.Tag())
	}
	return f
}

// textOrNull returns nil for "", which becomes null in JSON.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// orEmpty returns "" for a member that is absent or null.
func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

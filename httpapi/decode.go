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
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
)

// maxBody is how many bytes a JSON body has at most.
const maxBody = 1 << 20

// detailCount is the detail of a rule with a count of 0, which the domain takes for no limit.
var detailCount = fmt.Sprintf("This is a number from 1 to %d; leave it out, or give null, where there is no limit.", recurrence.MaxCount)

// detailEmpty is the detail of an empty text.
const detailEmpty = "This must not be empty; leave the member out if there is nothing to say."

// memberOf reads a member of a merge patch. It does what the member's UnmarshalJSON does, but reports where in the member's value
// something is wrong.
func memberOf[T any]() *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, m *wire.Optional[T]) error {
		if dec.PeekKind() == 'n' {
			*m = wire.Null[T]()
			return dec.SkipValue()
		}
		m.Present = true
		return json.UnmarshalDecode(dec, &m.Value)
	})
}

// patchMembers reads the members of all merge patches.
var patchMembers = json.WithUnmarshalers(json.JoinUnmarshalers(
	memberOf[string](), memberOf[bool](), memberOf[int](), memberOf[[]string](), memberOf[wire.MonthDay](),
))

// isOptional reports whether t is a [wire.Optional].
func isOptional(t reflect.Type) bool { return strings.HasPrefix(t.Name(), "Optional[") }

// checkPatch returns what breaks the tags "patch" of a merge patch; see [wire.Optional].
func checkPatch(patch reflect.Value) []fieldError {
	var broken []fieldError
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
			f.Code, f.Detail = "not_null", "This member cannot be removed; give it a value."
		case null || !zero:
			continue
		case has("nonempty"):
			f.Code, f.Detail = "empty", detailEmpty
		case has("nonzero"):
			f.Code, f.Detail = "out_of_range", detailCount
		default:
			continue
		}
		broken = append(broken, f)
	}
	return broken
}

// newValidator returns the checker of a wire struct's shape: which members there must be, and how long they are at most.
// What they mean is the domain's to judge.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	return v
}

// A document is a request's body, read and decoded into a T.
type document[T any] struct {
	raw         []byte
	value       T
	fieldErrors []fieldError // what its shape breaks; told together with what the domain finds
}

// add notes faults, but those of members that are known to be wrong.
func (d *document[T]) addFieldErrors(faults ...fieldError) {
	for _, f := range faults {
		if !hasMember(d.fieldErrors, f.member()) {
			d.fieldErrors = append(d.fieldErrors, f)
		}
	}
}

// read takes the call's body for a T. What cannot be read is an error; what breaks a rule of shape is listed in the document.
func read[T any](c *call) (document[T], error) {
	raw, err := c.body()
	if err != nil {
		return document[T]{}, err
	}
	return documentOf(c, raw, func(raw []byte) (T, []fieldError, error) { return decode[T](raw) })
}

// readOuter is read for a body whose parts are each judged by themselves.
func readOuter[T any](c *call) (document[T], error) {
	raw, err := c.body()
	if err != nil {
		return document[T]{}, err
	}
	return documentOf(c, raw, decodeOuter[T])
}

func documentOf[T any](c *call, raw []byte, decode func(raw []byte) (T, []fieldError, error)) (document[T], error) {
	value, faults, err := decode(raw)
	if err != nil {
		return document[T]{}, err
	}
	doc := document[T]{raw: raw, value: value, fieldErrors: faults}
	doc.addFieldErrors(c.api.shape(value)...)
	return doc, nil
}

// body reads the whole body, which must be JSON by its Content-Type.
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

// readError tells a body that is too long from one that the client did not send whole.
func readError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return &problem{code: codeMalformed, detail: "The body ended before it was whole.", cause: err}
}

// checkEncoding refuses a body that is compressed: a small one could be a large one.
func (c *call) checkEncoding() error {
	for _, line := range c.Request.Header.Values("Content-Encoding") {
		if !strings.EqualFold(line, "identity") {
			c.Writer.Header().Set("Accept-Encoding", "identity")
			return newProblem(codeUnsupportedMediaType, "A body must not be compressed.")
		}
	}
	return nil
}

func checkMedia(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == mediaJSON {
		return nil
	}
	media, params, err := mime.ParseMediaType(given)
	charset, hasCharset := params["charset"]
	switch {
	case err != nil || media != mediaJSON && (media != mediaMergePatch || r.Method != http.MethodPatch):
		return newProblem(codeUnsupportedMediaType, "A body must be %s.", mediaJSON)
	case hasCharset && !strings.EqualFold(charset, "utf-8"):
		return newProblem(codeUnsupportedMediaType, "A body must be in UTF-8.")
	}
	return nil
}

// decode reads one JSON object, strictly. A member of the wrong type is a fault, and the rest is read all the same;
// everything else that is wrong with the text is an error.
func decode[T any](raw []byte, opts ...json.Options) (T, []fieldError, error) {
	options := json.JoinOptions(append(opts, json.RejectUnknownMembers(true), patchMembers)...)
	var faults []fieldError
	for {
		var value T
		if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
			return value, nil, newProblem(codeMalformed, "The body must be a JSON object.")
		}
		err := json.Unmarshal(raw, &value, options)
		if err == nil {
			return value, faults, nil
		}
		wrong, ok := errors.AsType[*json.SemanticError](err)
		if !ok || errors.Is(err, json.ErrUnknownName) || wrong.JSONPointer == "" {
			return value, nil, malformedJSON(err)
		}
		faults = append(faults, wrongType(wrong))
		if raw, err = withNull(raw, wrong.JSONPointer, options); err != nil {
			return value, nil, malformedJSON(err)
		}
	}
}

// decodeOuter is decode for an object that holds others of which each is to be judged by itself, when its turn comes: what breaks
// the rules of RFC 8259 for names and texts, but not the syntax, is an error in the object's own members only.
func decodeOuter[T any](raw []byte) (T, []fieldError, error) {
	if err := distinctMembers(raw); err != nil {
		var none T
		return none, nil, malformedJSON(err)
	}
	return decode[T](raw, lenient())
}

// lenient lets names come twice, and texts be no UTF-8.
func lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// distinctMembers reports an object's own member that is given twice. What else is wrong with the text is for others to find.
func distinctMembers(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), lenient())
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return nil //nolint:nilerr // as said above
	}
	names := map[string]bool{}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil //nolint:nilerr // as said above
		}
		name := token.String()
		if names[name] {
			return &jsontext.SyntacticError{
				ByteOffset: dec.InputOffset(), JSONPointer: jsontext.Pointer("").AppendToken(name), Err: jsontext.ErrDuplicateName,
			}
		}
		names[name] = true
		if err := dec.SkipValue(); err != nil {
			return nil //nolint:nilerr // as said above
		}
	}
	return nil
}

// malformedJSON says where a JSON text goes wrong, without quoting it.
func malformedJSON(err error) error {
	p := &problem{code: codeMalformed, detail: "The body is not JSON of the form that belongs here.", cause: err}
	var pointer jsontext.Pointer
	code, detail := "syntax", "The text breaks JSON's syntax here."
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		pointer = syntax.JSONPointer
		detail = fmt.Sprintf("The text breaks JSON's syntax after %d bytes.", syntax.ByteOffset)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		pointer = semantic.JSONPointer
	}
	switch {
	case errors.Is(err, json.ErrUnknownName):
		code, detail = "unknown_member", "This member is not known here; remove it or correct its spelling."
	case errors.Is(err, jsontext.ErrDuplicateName):
		code, detail = "duplicate_member", "This member is given twice."
	case errors.Is(err, io.ErrUnexpectedEOF):
		detail = "The text ends before it is complete."
	}
	p.fieldErrors = []fieldError{{Pointer: "#" + cutPointer(pointer), Code: code, Detail: detail}}
	return p
}

// cutPointer bounds what is sent back of a member's name that the client made up.
func cutPointer(pointer jsontext.Pointer) string {
	const most = 100
	if len(pointer) > most {
		return strings.ToValidUTF8(string(pointer[:most]), "") + "…"
	}
	return strings.ToValidUTF8(string(pointer), "�")
}

// kindNames says what a JSON value is.
var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "an array",
}

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
	given := kindNames[wrong.JSONKind]
	if wrong.JSONKind == '0' && wanted == "a whole number" {
		given = "a fraction or one so large"
	}
	return fieldError{
		Pointer: "#" + cutPointer(wrong.JSONPointer), Code: "wrong_type",
		Detail: fmt.Sprintf("This must be %s, not %s.", wanted, given),
	}
}

// withNull returns the object raw with null in the place of the member that pointer leads into.
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
		found := name.String() == first
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if found {
			end := int(dec.InputOffset())
			out := append([]byte{}, raw[:end-len(value)]...)
			return append(append(out, "null"...), raw[end:]...), nil
		}
	}
	return nil, fmt.Errorf("no member %q", first)
}

// shape returns what breaks the shape of a wire struct: what the validator finds, and its own check if it has one.
func (a *api) shape(value any) []fieldError {
	var faults []fieldError
	if err := a.validate.Struct(value); err != nil {
		broken, ok := errors.AsType[validator.ValidationErrors](err)
		if !ok {
			panic(err) // a wire struct's tags are wrong: every test of its route fails
		}
		for _, b := range broken {
			faults = append(faults, shapeFault(b))
		}
	}
	return append(faults, checkPatch(reflect.Indirect(reflect.ValueOf(value)))...)
}

// shapeFault tells one finding of the validator.
func shapeFault(broken validator.FieldError) fieldError {
	_, path, _ := strings.Cut(broken.Namespace(), ".") // without the struct's name
	f := fieldError{Pointer: "#/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)}
	switch broken.Tag() {
	case "required", "required_without":
		f.Code, f.Detail = "required", "This member must be given."
	case "min":
		f.Code, f.Detail = "empty", detailEmpty
	case "max":
		f.Code, f.Detail = "too_long", fmt.Sprintf("This has at most %s characters or elements.", broken.Param())
	case "ne":
		f.Code, f.Detail = "out_of_range", detailCount
	case "oneof":
		f.Code, f.Detail = "unknown_value", fmt.Sprintf("This is one of: %s.", broken.Param())
	case "email":
		f.Code, f.Detail = "malformed_email", "This is not an e-mail address."
	default:
		f.Code, f.Detail = "not_allowed", fmt.Sprintf("This breaks the rule %q.", broken.Tag())
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

// idOrNull returns nil for [uuid.Nil], which becomes null in JSON.
func idOrNull(id uuid.UUID) *string {
	if id == uuid.Nil {
		return nil
	}
	return new(id.String())
}

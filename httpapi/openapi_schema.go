package httpapi

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/export/wire"
)

// A schema is what this contract uses of JSON Schema 2020-12.
type schema struct {
	Ref                  string           `json:"$ref,omitzero"`
	Description          string           `json:"description,omitzero"`
	Type                 types            `json:"type,omitzero"` // one, or one and null
	Format               string           `json:"format,omitzero"`
	ContentMediaType     string           `json:"contentMediaType,omitzero"`
	Pattern              string           `json:"pattern,omitzero"`
	Enum                 []any            `json:"enum,omitzero"`
	Const                any              `json:"const,omitzero"`
	MinLength            *int             `json:"minLength,omitzero"`
	MaxLength            *int             `json:"maxLength,omitzero"`
	Minimum              *int             `json:"minimum,omitzero"`
	Maximum              *int             `json:"maximum,omitzero"`
	MinItems             *int             `json:"minItems,omitzero"`
	MaxItems             *int             `json:"maxItems,omitzero"`
	Items                *schema          `json:"items,omitzero"`
	Required             []string         `json:"required,omitzero"`
	Properties           ordered[*schema] `json:"properties,omitzero"`
	AdditionalProperties any              `json:"additionalProperties,omitzero"` // a *schema, or false
	AnyOf                []*schema        `json:"anyOf,omitzero"`
	Default              any              `json:"default,omitzero"`
	Examples             []any            `json:"examples,omitzero"`
}

// types are the names of the types that a value may have: one, or one and null.
type types []string

// MarshalJSONTo writes a single type as a text, which more tools read than a list of one.
func (t types) MarshalJSONTo(enc *jsontext.Encoder) error {
	if len(t) == 1 {
		return enc.WriteToken(jsontext.String(t[0]))
	}
	return json.MarshalEncode(enc, []string(t))
}

// orNull returns the schema of a value that may be null as well.
func (s *schema) orNull() *schema {
	if s.Ref != "" || s.AnyOf != nil {
		return &schema{AnyOf: []*schema{s, {Type: types{"null"}}}}
	}
	nullable := *s
	nullable.Type = append(types{}, append(s.Type, "null")...)
	if len(s.Enum) > 0 {
		nullable.Enum = append(append([]any{}, s.Enum...), nil)
	}
	return &nullable
}

// A schemas collects the schemas of wire structs under their names.
type schemas struct {
	components ordered[*schema]
	names      map[reflect.Type]string
}

// refTo refers to a schema of the components.
func refTo(name string) *schema { return &schema{Ref: "#/components/schemas/" + name} }

// schemaName is what the contract calls a wire struct: wire.Expense is Expense, page[wire.Expense] is ExpensePage.
func schemaName(t reflect.Type) string {
	name, of, generic := strings.Cut(t.Name(), "[")
	if generic {
		of = strings.TrimSuffix(of[strings.LastIndex(of, ".")+1:], "]")
		return strings.ToUpper(of[:1]) + strings.TrimSuffix(of, "Body")[1:] + strings.ToUpper(name[:1]) + name[1:]
	}
	return strings.ToUpper(name[:1]) + strings.TrimSuffix(name, "Body")[1:]
}

// isRequest reports whether the struct of that name is what a client sends. Such a body has no members beside those it
// names.
func isRequest(name string) bool {
	return strings.HasSuffix(name, "Input") || strings.HasSuffix(name, "Patch")
}

// of returns the schema of a Go type as it travels.
func (s *schemas) of(t reflect.Type) *schema {
	switch t {
	case reflect.TypeFor[uuid.UUID]():
		return &schema{Type: types{"string"}}
	case reflect.TypeFor[time.Time]():
		return &schema{Type: types{"string"}, Format: "date-time"}
	case reflect.TypeFor[expense.Version]():
		return &schema{Type: types{"integer"}, Format: "int64", Minimum: new(1)}
	case reflect.TypeFor[wire.MonthDay]():
		return monthDaySchema()
	case reflect.TypeFor[jsontext.Value](), reflect.TypeFor[any]():
		return &schema{} // its word says what it is
	case reflect.TypeFor[statement.Mapping]():
		return s.mapping()
	}
	switch t.Kind() {
	case reflect.String:
		return &schema{Type: types{"string"}}
	case reflect.Bool:
		return &schema{Type: types{"boolean"}}
	case reflect.Int:
		return &schema{Type: types{"integer"}}
	case reflect.Int64:
		return &schema{Type: types{"integer"}, Format: "int64"}
	case reflect.Slice:
		return &schema{Type: types{"array"}, Items: s.of(t.Elem())}
	case reflect.Map:
		return &schema{Type: types{"object"}, AdditionalProperties: s.of(t.Elem())}
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.component(t)
	default:
		panic("httpapi: no wire struct may hold a " + t.String())
	}
}

// component returns a reference to the schema of a wire struct, which is made when it is first met.
func (s *schemas) component(t reflect.Type) *schema {
	if name, known := s.names[t]; known {
		return refTo(name)
	}
	name := schemaName(t)
	s.names[t] = name
	made := &schema{Type: types{"object"}, Description: words[name].about}
	s.components.set(name, made)
	if isRequest(name) {
		made.AdditionalProperties = false
	}
	s.members(made, name, t)
	return refTo(name)
}

// members adds those of a struct, and of the structs embedded in it, to an object's schema.
func (s *schemas) members(object *schema, name string, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			s.members(object, name, field.Type)
			continue
		}
		member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		rules := field.Tag.Get("validate")
		of, isPatch := field.Type, isOptional(field.Type)
		if isPatch {
			value, _ := of.FieldByName("Value")
			of = value.Type
		}
		made, nullable, required := s.of(of), of.Kind() == reflect.Pointer, !strings.Contains(options, "omitzero")
		switch {
		case isPatch:
			shape := strings.Split(field.Tag.Get("patch"), ",")
			nullable, required = slices.Contains(shape, "nullable"), false
			if slices.Contains(shape, "nonempty") {
				made.MinLength = new(1)
			}
		case isRequest(name):
			required = strings.HasPrefix(rules, "required") || wordOf(name, member).must
			nullable = !required // null is as good as not there
		case !required:
			nullable = false
		}
		constrain(made, rules)
		made = wordOf(name, member).dress(made)
		if nullable {
			about, examples := made.Description, made.Examples
			made.Description, made.Examples = "", nil
			made = made.orNull()
			made.Description, made.Examples = about, examples
		}
		object.Properties.set(member, made)
		if required {
			object.Required = append(object.Required, member)
		}
	}
}

// constrain takes over the rules that the validator holds a member to.
func constrain(s *schema, rules string) {
	for rule := range strings.SplitSeq(rules, ",") {
		name, value, _ := strings.Cut(rule, "=")
		n, err := strconv.Atoi(value)
		switch {
		case name == "dive":
			s = s.Items
		case name == "oneof":
			for option := range strings.FieldsSeq(value) {
				s.Enum = append(s.Enum, option)
			}
		case err != nil || len(s.Type) == 0:
		case name == "min" && s.Type[0] == "array":
			s.MinItems = &n
		case name == "max" && s.Type[0] == "array":
			s.MaxItems = &n
		case name == "min":
			s.MinLength = &n
		case name == "max":
			s.MaxLength = &n
		}
	}
}

// monthDaySchema is what wire.MonthDay reads.
func monthDaySchema() *schema {
	return &schema{AnyOf: []*schema{
		{Type: types{"integer"}, Minimum: new(1), Maximum: new(31)},
		{Type: types{"string"}, Const: "last"},
	}}
}

// importInput is the multipart body of an import, for the contract: it is read as it streams.
type importInput struct {
	Mapping statement.Mapping `json:"mapping" validate:"required"`
	File    string            `json:"file" validate:"required"`
}

// mapping is the JSON form of an import's mapping.
func (s *schemas) mapping() *schema {
	const name = "Mapping"
	if s.components.get(name) != nil {
		return refTo(name)
	}
	text := func(about string) *schema { return &schema{Type: types{"string"}, Description: about} }
	truth := func(about string) *schema { return &schema{Type: types{"boolean"}, Description: about} }
	object := func(about string, members ordered[*schema]) *schema {
		return &schema{Type: types{"object"}, Description: about, Properties: members, AdditionalProperties: false}
	}
	column := entry[*schema]{"column", text("The column, by its name in the file's header line.")}
	source := ordered[*schema]{column, {"value", text("One value for all lines, in the place of a column.")}}
	choice := ordered[*schema]{column, {"equals", &schema{
		Type: types{"array"}, Items: &schema{Type: types{"string"}},
		Description: "The texts, case and blanks around them ignored.",
	}}}
	presets := text("The name of a mapping that the server has; what else is given takes the place of what is there.")
	for _, preset := range statement.Presets() {
		presets.Enum = append(presets.Enum, preset.Name)
	}
	decimal := text("The decimal sign.")
	decimal.Enum = []any{"", ".", ","}
	delimiter := text("What stands between columns: a comma, a semicolon, a tab or a bar; not given: a comma.")
	delimiter.Pattern = `^[,;\t|]?$`
	encoding := text("The encoding of the text.")
	encoding.Enum = []any{""}
	for _, known := range statement.Encodings() {
		encoding.Enum = append(encoding.Enum, known)
	}
	s.components.set(name, object("How the lines of a CSV file become expenses.", ordered[*schema]{
		{"preset", presets},
		{"date", object("Where the date stands; a time behind it is ignored.", ordered[*schema]{
			column, {"layout", text("YYYY or YY, MM or M, DD or D, with any signs between; several with a bar between them " +
				"are tried in turn. Not given: YYYY-MM-DD.")},
		})},
		{"amount", object("Where the amount stands.", ordered[*schema]{
			column, {"decimal", decimal},
			{"credit_column", text("A second column, of amounts that are taken off: money that came in.")},
			{"symbols", truth("Whether a currency's sign may stand beside the digits.")},
		})},
		{"currency", object("The currency; not given: the home currency.", source)},
		{"category", object("The category, made where it is not known; not given: the default category.", source)},
		{"notes", object("The notes.", ordered[*schema]{column})},
		{"only", object("The lines to take; the others are ignored.", choice)},
		{"except", object("The lines to ignore.", choice)},
		{"sign", object("The lines whose amount changes its sign.", choice)},
		{"negate", truth("Whether every amount changes its sign.")},
		{"delimiter", delimiter},
		{"encoding", encoding},
	}))
	return refTo(name)
}

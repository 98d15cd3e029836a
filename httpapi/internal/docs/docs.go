// Package docs renders an OpenAPI 3.1 document as an HTML page for people. The page loads nothing: its style and its
// script are inline. Without the script, the page has no search, and everything else works.
package docs

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	//go:embed page.html
	page string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// ContentSecurityPolicy returns the directives of a content security policy that allow the style and the script of the
// page.
func ContentSecurityPolicy() string {
	source := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "style-src " + source(style) + "; script-src " + source(script)
}

// An object is a JSON object whose members keep their order.
type object[V any] []member[V]

type member[V any] struct {
	Name  string
	Value V
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *object[V]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		m := member[V]{Name: name.String()}
		if err := json.UnmarshalDecode(dec, &m.Value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	_, err := dec.ReadToken()
	return err
}

// get returns the member with a name, or the zero value.
func (o object[V]) get(name string) (value V) {
	if i := slices.IndexFunc(o, func(m member[V]) bool { return m.Name == name }); i >= 0 {
		value = o[i].Value
	}
	return value
}

// A document holds the parts of an OpenAPI document that the page shows. Its names match those of JSON without regard
// to case.
type document struct {
	Info       struct{ Title, Version, Summary, Description string }
	Tags       []struct{ Name, Description string }
	Paths      object[object[*operation]] // by path and method
	Components struct {
		Schemas             object[*schema]
		Parameters, Headers object[*parameter]
		RequestBodies       object[*requestBody]
		Responses           object[*response]
		Examples            object[*example]
		SecuritySchemes     object[securityScheme]
	}
}

type operation struct {
	Method, Path                      string `json:"-"`
	OperationID, Summary, Description string
	Tags                              []string
	Security                          []object[[]string]
	Parameters                        []*parameter
	RequestBody                       *requestBody
	Responses                         object[*response]
	Targets                           object[string] `json:"x-targets"` // path and query by the name of an example
	Problems                          []string       `json:"x-problems"`
}

// A parameter is also a response header. A header has no name.
type parameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               jsontext.Value
}

type requestBody struct {
	Ref     string `json:"$ref"`
	Content object[media]
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     object[*parameter]
	Content     object[media]
}

type media struct {
	Schema   *schema
	Examples object[*example]
}

type example struct {
	Ref     string `json:"$ref"`
	Summary string
	Value   jsontext.Value
}

type securityScheme struct{ Type, Scheme, In, Name, Description string }

type schema struct {
	Ref                                                        string `json:"$ref"`
	Description, Format, Pattern                               string
	Type, AdditionalProperties, Const, Default                 jsontext.Value
	Enum, Examples                                             []jsontext.Value
	MinLength, MaxLength, Minimum, Maximum, MinItems, MaxItems *int
	Items                                                      *schema
	Required                                                   []string
	Properties                                                 object[*schema]
	AllOf, AnyOf, OneOf                                        []*schema
}

// component returns the value that a reference names, or value itself if ref is empty. A reference that names nothing
// is an error of the document; then the result is the zero value.
func component[V any](ref string, value V, components object[V]) V {
	if ref == "" {
		return value
	}
	return components.get(ref[strings.LastIndexByte(ref, '/')+1:])
}

// resolve replaces each reference, except those of schemas, by the value that it names.
func (d *document) resolve() {
	c := &d.Components
	contents := func(content object[media]) {
		for _, m := range content {
			for i, e := range m.Value.Examples {
				m.Value.Examples[i].Value = component(e.Value.Ref, e.Value, c.Examples)
			}
		}
	}
	for _, path := range d.Paths {
		for _, method := range path.Value {
			op := method.Value
			op.Method, op.Path = strings.ToUpper(method.Name), path.Name
			for i, parameter := range op.Parameters {
				op.Parameters[i] = component(parameter.Ref, parameter, c.Parameters)
			}
			if op.RequestBody != nil {
				op.RequestBody = component(op.RequestBody.Ref, op.RequestBody, c.RequestBodies)
				contents(op.RequestBody.Content)
			}
			for i, r := range op.Responses {
				op.Responses[i].Value = component(r.Value.Ref, r.Value, c.Responses)
				contents(op.Responses[i].Value.Content)
			}
		}
	}
}

// schema returns the schema that s refers to, with the members of all its parts.
func (d *document) schema(s *schema) *schema {
	if s.Ref != "" {
		return d.schema(component(s.Ref, s, d.Components.Schemas))
	}
	if len(s.AllOf) == 0 {
		return s
	}
	merged := *s
	for _, part := range s.AllOf {
		part = d.schema(part)
		merged.Properties = append(slices.Clone(merged.Properties), part.Properties...)
		merged.Required = append(slices.Clone(merged.Required), part.Required...)
		merged.Description = cmp.Or(merged.Description, part.Description)
	}
	return &merged
}

// operations returns the operations in the order of the document.
func (d *document) operations() []*operation {
	var all []*operation
	for _, path := range d.Paths {
		for _, method := range path.Value {
			all = append(all, method.Value)
		}
	}
	return all
}

// operation returns the operation with a method and path, or nil.
func (d *document) operation(method, path string) *operation {
	return d.Paths.get(path).get(strings.ToLower(method))
}

// requestExample returns the example of the request body with a name, or an empty one.
func (op *operation) requestExample(name string) example {
	if op.RequestBody == nil || len(op.RequestBody.Content) == 0 {
		return example{}
	}
	return op.RequestBody.Content[0].Value.example(name)
}

// responseExample returns the example of a response with a name, and the status of the response. Without such an
// example, the status is that of the first response.
func (op *operation) responseExample(name string) (example, string) {
	for _, r := range op.Responses {
		for _, content := range r.Value.Content {
			if e := content.Value.example(name); e.Value != nil && r.Name < "400" {
				return e, r.Name
			}
		}
	}
	return example{}, op.Responses[0].Name
}

func (m media) example(name string) example {
	if e := m.Examples.get(name); e != nil {
		return *e
	}
	return example{}
}

// hasParameter reports whether an operation has a parameter with a name.
func (op *operation) hasParameter(name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *parameter) bool { return p.Name == name })
}

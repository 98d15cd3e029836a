// Package docs renders an OpenAPI 3.1 document as an HTML page for people. The page runs no script and loads nothing:
// its style is inline.
package docs

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
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
)

// StyleSource returns the source expression for style-src in a content security policy that allows the style of the
// page.
func StyleSource() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
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

// A document holds the parts of an OpenAPI document that the page shows. Its names match those of JSON without regard
// to case.
type document struct {
	Info       struct{ Title, Version, Summary, Description string }
	Tags       []tag
	Paths      object[object[*operation]]
	Components struct {
		Schemas             object[*schema]
		Parameters, Headers object[*parameter]
		Responses           object[*response]
	}
}

type tag struct{ Name, Description string }

type operation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Security                          []map[string][]string
	Parameters                        []*parameter
	RequestBody                       *struct{ Content object[*media] }
	Responses                         object[*response]
	Problems                          []string `json:"x-problems"`
}

// A parameter is also a response header. A header has no name.
type parameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *schema
	Example               jsontext.Value
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     object[*parameter]
	Content     object[*media]
}

type media struct {
	Schema   *schema
	Examples object[struct {
		Summary string
		Value   jsontext.Value
	}]
}

type schema struct {
	Ref                                                        string `json:"$ref"`
	Description, Format, Pattern                               string
	Type, AdditionalProperties, Const, Default                 jsontext.Value
	Enum                                                       []jsontext.Value
	MinLength, MaxLength, Minimum, Maximum, MinItems, MaxItems *int
	Items                                                      *schema
	Required                                                   []string
	Properties                                                 object[*schema]
	AnyOf                                                      []*schema
}

// A section holds the operations of one tag.
type section struct {
	tag
	Operations []sectionOperation
}

type sectionOperation struct {
	Method, Path string
	*operation
}

// Scope returns the scope that the token needs, or "" if the operation is public.
func (op sectionOperation) Scope() string {
	if len(op.Security) == 0 {
		return ""
	}
	return strings.Join(op.Security[0]["credentials"], ", ")
}

// Page renders the OpenAPI document as HTML. base precedes the paths of links to the API. problems is a slice of
// structs with the fields Code, Status, Title and Help.
func Page(openAPI []byte, base string, problems any) ([]byte, error) {
	var doc document
	if err := json.Unmarshal(openAPI, &doc, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	sections := make([]section, len(doc.Tags))
	for i, tag := range doc.Tags {
		sections[i].tag = tag
		for _, path := range doc.Paths {
			for _, method := range path.Value {
				if op := method.Value; op.Tags[0] == tag.Name {
					sections[i].Operations = append(sections[i].Operations,
						sectionOperation{strings.ToUpper(method.Name), path.Name, op})
				}
			}
		}
	}
	tmpl, err := template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "type": typeName, "limits": limits, "example": example, "contains": slices.Contains[[]string],
		"param": func(p *parameter) *parameter {
			return resolve(doc.Components.Parameters, p, p.Ref)
		},
		"response": func(r *response) *response { return resolve(doc.Components.Responses, r, r.Ref) },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]any{
		"Style": template.CSS(style), //nolint:gosec // it is a constant of the program
		"Info":  doc.Info, "Base": base, "Sections": sections, "Components": doc.Components, "Problems": problems,
	})
	return out.Bytes(), err
}

// resolve returns the component that ref names, or value if ref is empty.
func resolve[V any](components object[V], value V, ref string) V {
	for _, component := range components {
		if strings.HasSuffix(ref, "/"+component.Name) {
			return component.Value
		}
	}
	return value
}

// prose converts a description to HTML paragraphs. Descriptions use only `code` and **strong**.
func prose(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		out.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			part = template.HTMLEscapeString(part)
			if i%2 == 1 {
				out.WriteString("<code>" + part + "</code>")
				continue
			}
			for j, text := range strings.Split(part, "**") {
				if j%2 == 1 {
					text = "<strong>" + text + "</strong>"
				}
				out.WriteString(text)
			}
		}
		out.WriteString("</p>\n")
	}
	return template.HTML(out.String()) //nolint:gosec // every part is escaped above
}

// typeName returns the type of a value as HTML. A reference to a schema is a link to its section.
func typeName(s *schema) template.HTML {
	if s == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		name = template.HTMLEscapeString(name)
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`) //nolint:gosec // it is escaped above
	}
	var parts []string
	for _, either := range s.AnyOf {
		parts = append(parts, string(typeName(either)))
	}
	for _, name := range strings.FieldsFunc(string(s.Type), func(r rune) bool { return strings.ContainsRune(`[",]`, r) }) {
		switch {
		case name == "array":
			parts = append(parts, "list of "+string(typeName(s.Items)))
			continue
		case s.Const != nil:
			name = string(s.Const)
		case name == "string" && s.Format != "":
			name = s.Format
		}
		parts = append(parts, template.HTMLEscapeString(name))
	}
	if s.AdditionalProperties.Kind() == '{' {
		var value schema
		if json.Unmarshal(s.AdditionalProperties, &value, json.MatchCaseInsensitiveNames(true)) == nil {
			parts = []string{"object of " + string(typeName(&value))}
		}
	}
	return template.HTML(strings.Join(parts, " or ")) //nolint:gosec // each part is escaped above
}

// limits returns the constraints of a value beyond its type, separated by semicolons.
func limits(s *schema) string {
	var parts, options []string
	if s.Items != nil {
		if inner := limits(s.Items); inner != "" {
			parts = append(parts, "each "+inner)
		}
	}
	for _, option := range s.Enum {
		if option.Kind() != 'n' {
			options = append(options, string(option))
		}
	}
	if len(options) > 0 {
		parts = append(parts, strings.Join(options, ", "))
	}
	for _, limit := range []struct {
		n    *int
		text string
	}{
		{s.MinLength, "at least %d characters"}, {s.MaxLength, "at most %d characters"},
		{s.Minimum, "at least %d"}, {s.Maximum, "at most %d"},
		{s.MinItems, "at least %d entries"}, {s.MaxItems, "at most %d entries"},
	} {
		if limit.n != nil {
			parts = append(parts, fmt.Sprintf(limit.text, *limit.n))
		}
	}
	if s.Pattern != "" {
		parts = append(parts, "matches "+s.Pattern)
	}
	if s.Default != nil {
		text, err := example(s.Default)
		if err == nil {
			parts = append(parts, "default "+text)
		}
	}
	return strings.Join(parts, "; ")
}

// example formats a value: the text of a string, such as a file, or JSON with indentation.
func example(value jsontext.Value) (text string, err error) {
	if value.Kind() == '"' {
		err = json.Unmarshal(value, &text)
		return text, err
	}
	err = value.Indent(jsontext.WithIndent("  "))
	return string(value), err
}

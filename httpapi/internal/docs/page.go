package docs

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// originMark stands for the base URL of the API until the page is sent.
const originMark = "https://origin.invalid"

// A Page is a rendered page.
type Page struct{ html []byte }

// WithBase returns the page for an API at a base URL, such as "https://example.org/ledger". It is safe for concurrent
// use.
func (p Page) WithBase(url string) []byte {
	return bytes.ReplaceAll(p.html, []byte(originMark), []byte(template.HTMLEscapeString(url)))
}

// A Problem is a row of the table of problems.
type Problem struct {
	Code   string
	Status int
	Title  string
	Help   string
}

// A section holds the operations of one tag.
type section struct {
	Name, Description string
	Operations        []operationView
}

// An operationView is an operation as the page shows it.
type operationView struct {
	*operation
	Scope   string   // the scope that the token needs; "": the operation is public
	Media   []string // the media types of the request body
	Fields  []field  // of the request body
	Samples []sample
	Errors  []Problem
}

// A sample is an example of a request and its response.
type sample struct {
	Title            string
	Command          string
	Status, Response string
}

// A field is a member of a request body. The name of a member of an object within it is a path, such as "date.column".
type field struct {
	Name, Description string
	Required          bool
	Schema            *schema
}

// Render renders an OpenAPI document and the table of problems.
func Render(openAPI []byte, problems []Problem) (Page, error) {
	doc := new(document)
	if err := json.Unmarshal(openAPI, doc, json.MatchCaseInsensitiveNames(true)); err != nil {
		return Page{}, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	doc.resolve()
	common := doc.moveCommonParameters()
	sections := make([]section, len(doc.Tags))
	byRoute := map[string]operationView{}
	for i, tag := range doc.Tags {
		sections[i].Name, sections[i].Description = tag.Name, tag.Description
		for _, op := range doc.operations() {
			if slices.Contains(op.Tags, tag.Name) {
				view := doc.view(op, problems)
				byRoute[op.Method+" "+op.Path] = view
				sections[i].Operations = append(sections[i].Operations, view)
			}
		}
		// Other operations of the section use what these delete.
		slices.SortStableFunc(sections[i].Operations, func(a, b operationView) int {
			return cmp.Compare(strings.Count(a.Method, "DELETE"), strings.Count(b.Method, "DELETE"))
		})
	}
	tmpl, err := template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "type": doc.typeName, "limits": doc.limits, "example": exampleText,
		"fields": doc.fields, "signIn": doc.signIn, "get": doc.get,
	}).Parse(page)
	if err != nil {
		return Page{}, err
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]any{
		"Style":  template.CSS(style), //nolint:gosec // it is a constant of the program
		"Script": template.JS(script), //nolint:gosec // it is a constant of the program
		"Doc":    doc, "Base": originMark, "Sections": sections, "Problems": problems, "Operation": byRoute,
		"Common": common,
	})
	return Page{out.Bytes()}, err
}

// moveCommonParameters removes the parameters that every operation has, and returns them.
func (d *document) moveCommonParameters() []*parameter {
	count, total := map[*parameter]int{}, 0
	var common []*parameter
	for _, op := range d.operations() {
		total++
		for _, parameter := range op.Parameters {
			if count[parameter]++; count[parameter] == 1 {
				common = append(common, parameter)
			}
		}
	}
	isCommon := func(p *parameter) bool { return count[p] == total }
	for _, op := range d.operations() {
		op.Parameters = slices.DeleteFunc(op.Parameters, isCommon)
	}
	return slices.DeleteFunc(common, func(p *parameter) bool { return !isCommon(p) })
}

func (d *document) view(op *operation, problems []Problem) operationView {
	v := operationView{operation: op}
	for _, alternative := range op.Security {
		for _, scheme := range alternative {
			v.Scope = strings.Join(scheme.Value, ", ")
		}
	}
	if op.RequestBody != nil {
		for i, content := range op.RequestBody.Content {
			v.Media = append(v.Media, content.Name)
			if i == 0 {
				v.Fields = d.fields(content.Value.Schema)
			}
		}
	}
	for _, target := range op.Targets {
		request := op.requestExample(target.Name)
		response, status := op.responseExample(target.Name)
		s := sample{Status: status, Response: exampleText(response.Value), Command: d.command(op, target.Name)}
		if s.Title = cmp.Or(request.Summary, response.Summary); s.Title == "" && len(op.Targets) > 1 {
			s.Title = words(target.Name)
		}
		v.Samples = append(v.Samples, s)
	}
	for _, p := range problems {
		if slices.Contains(op.Problems, p.Code) {
			v.Errors = append(v.Errors, p)
		}
	}
	return v
}

// maxDepth is the number of levels of objects that fields lists.
const maxDepth = 3

// fields lists the members of an object, each followed by the members of the objects within it.
func (d *document) fields(s *schema) []field { return d.appendFields(nil, "", s, maxDepth) }

func (d *document) appendFields(list []field, prefix string, s *schema, depth int) []field {
	s = d.schema(s)
	switch alternatives := slices.Concat(s.AnyOf, s.OneOf); {
	case depth == 0:
		return list
	case s.Items != nil:
		return d.appendFields(list, strings.TrimSuffix(prefix, ".")+"[].", s.Items, depth)
	case len(alternatives) > 0:
		// Of a value that may be null, the other alternative is of interest. The page lists no members of a real choice.
		objects := slices.DeleteFunc(alternatives, func(s *schema) bool { return string(s.Type) == `"null"` })
		if len(objects) == 1 {
			return d.appendFields(list, prefix, objects[0], depth)
		}
		return list
	}
	for _, p := range s.Properties {
		description := cmp.Or(p.Value.Description, d.schema(p.Value).Description)
		list = append(list, field{prefix + p.Name, description, slices.Contains(s.Required, p.Name), p.Value})
		list = d.appendFields(list, prefix+p.Name+".", p.Value, depth-1)
	}
	return list
}

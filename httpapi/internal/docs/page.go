package docs

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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
	Method, Path string
	Scope        string   // the scope that the token needs; "": the operation is public
	Media        []string // the media types of the request body
	Fields       []field  // of the request body
	Samples      []sample
	Errors       []Problem
}

// Command returns the command of the first sample.
func (v operationView) Command() string {
	if len(v.Samples) == 0 {
		return ""
	}
	return v.Samples[0].Command
}

// A sample is an example of a request, of a response, or of both.
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
		for _, path := range doc.Paths {
			for _, op := range path.Value.operations() {
				if !slices.Contains(op.Value.Tags, tag.Name) {
					continue
				}
				view := doc.view(op.Name, path.Name, op.Value)
				for _, p := range problems {
					if slices.Contains(op.Value.Problems, p.Code) {
						view.Errors = append(view.Errors, p)
					}
				}
				byRoute[op.Name+" "+path.Name] = view
				sections[i].Operations = append(sections[i].Operations, view)
			}
		}
	}
	tmpl, err := template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "type": doc.typeName, "limits": doc.limits, "example": exampleText,
		"fields": doc.fields, "signIn": doc.signIn,
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
	for _, p := range d.Paths {
		for _, op := range p.Value.operations() {
			total++
			for _, parameter := range op.Value.Parameters {
				if count[parameter]++; count[parameter] == 1 {
					common = append(common, parameter)
				}
			}
		}
	}
	isCommon := func(p *parameter) bool { return count[p] == total }
	for _, p := range d.Paths {
		for _, op := range p.Value.operations() {
			op.Value.Parameters = slices.DeleteFunc(op.Value.Parameters, isCommon)
		}
	}
	return slices.DeleteFunc(common, func(p *parameter) bool { return !isCommon(p) })
}

func (d *document) view(method, path string, op *operation) operationView {
	v := operationView{operation: op, Method: method, Path: path, Samples: d.samples(method, path, op)}
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
	return v
}

// samples returns the examples of an operation. A request and a response with the same name belong together. The first
// response of an operation without a body belongs to its only request.
func (d *document) samples(method, path string, op *operation) []sample {
	requests, responses := op.requestExamples(), op.responseExamples()
	if len(requests) == 0 {
		requests = object[*example]{{"", new(example)}}
		if len(responses) > 0 {
			requests[0].Name = responses[0].Name
		}
	}
	var samples []sample
	for _, request := range requests {
		s := sample{Title: cmp.Or(request.Value.Summary, request.Name)}
		var answer jsontext.Value
		i := slices.IndexFunc(responses, func(m member[statusExample]) bool { return m.Name == request.Name })
		if i >= 0 {
			response := responses[i].Value
			s.Title, s.Status = cmp.Or(request.Value.Summary, response.Summary, s.Title), response.status
			s.Response = exampleText(response.Value)
			if method != "PATCH" || s.Status == "200" { // else the response is another resource
				answer = response.Value
			}
			responses = slices.Delete(responses, i, i+1)
		}
		s.Command = d.command(method, path, op, request.Value.Value, answer)
		samples = append(samples, s)
	}
	for _, response := range responses {
		samples = append(samples, sample{
			Title: cmp.Or(response.Value.Summary, response.Name), Status: response.Value.status,
			Response: exampleText(response.Value.Value),
		})
	}
	return samples
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

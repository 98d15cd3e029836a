package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	htmltemplate "html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// The page of the contract is made out of the document on the server: it runs no script and loads nothing, not even its style.
var (
	//go:embed docs.html
	docsPage string
	//go:embed docs.css
	docsStyle string
)

// docsPolicy lets the page have its own style, and nothing else.
func docsPolicy() string {
	sum := sha256.Sum256([]byte(docsStyle))
	return ingress.ContentSecurityPolicy + "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// readContract answers GET /docs.
func (c *call) getDocs() error {
	served := c.api.served()
	c.Writer.Header().Set("Content-Security-Policy", docsPolicy())
	c.Writer.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	return c.sendPublic("text/html; charset=utf-8", served.pageTag, served.page)
}

// welcome answers GET /: somebody looks what there is, most likely with a browser.
func (c *call) index() error {
	c.Writer.Header().Set("Location", c.api.url("/docs"))
	c.Writer.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

// A docsSection is a part of the page: the operations of one tag.
type docsSection struct {
	contractTag
	Operations []docsOperation
}

type docsOperation struct {
	Method, Path string
	*contractOperation
	Scope    string // what the token must allow; "": nobody need say who they are
	Params   []*contractParameter
	Bodies   []docsBody
	Answers  []docsAnswer
	Problems []string
}

// A docsBody is a body with what it is like.
type docsBody struct {
	Media string
	*contractMedia
}

type docsAnswer struct {
	Status string
	*contractResponse
	Bodies  []docsBody
	Headers []string
}

type docsSchema struct {
	Name string
	*schema
	Members []docsMember
}

type docsMember struct {
	Name     string
	Required bool
	Shape    *schema
}

// page renders the document for people.
func (doc *contract) page(base string) ([]byte, error) {
	sections := make([]docsSection, len(doc.Tags))
	for i, tag := range doc.Tags {
		sections[i].contractTag = tag
		for _, path := range doc.Paths {
			for _, method := range path.value {
				if method.value.Tags[0] == tag.Name {
					sections[i].Operations = append(sections[i].Operations, doc.docs(method.name, path.name, method.value))
				}
			}
		}
	}
	shapes := make([]docsSchema, len(doc.Components.Schemas))
	for i, component := range doc.Components.Schemas {
		shapes[i] = docsSchema{Name: component.name, schema: component.value}
		for _, member := range component.value.Properties {
			required := slices.Contains(component.value.Required, member.name)
			shapes[i].Members = append(shapes[i].Members, docsMember{Name: member.name, Required: required, Shape: member.value})
		}
	}
	tmpl, err := htmltemplate.New("docs").Funcs(htmltemplate.FuncMap{
		"prose": prose, "type": typeName, "limits": limits, "json": indented, "anchor": anchor,
	}).Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = tmpl.Execute(&page, map[string]any{
		"Style": htmltemplate.CSS(docsStyle), //nolint:gosec // it is a part of the program
		"Info":  doc.Info, "Base": base, "Sections": sections, "Schemas": shapes, "Problems": docsProblems(), "Headers": doc.headers(),
	})
	return page.Bytes(), err
}

// docs is an operation as the page shows it: with what it refers to in its place.
func (doc *contract) docs(method, path string, op *contractOperation) docsOperation {
	shown := docsOperation{Method: strings.ToUpper(method), Path: path, contractOperation: op, Problems: op.Problems}
	if len(op.Security) > 0 {
		shown.Scope = strings.Join(op.Security[0]["bearer"], ", ")
	}
	for _, p := range op.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = doc.Components.Parameters.get(name)
		}
		shown.Params = append(shown.Params, p)
	}
	if op.RequestBody != nil {
		shown.Bodies = bodies(op.RequestBody.Content)
	}
	for _, answer := range op.Responses {
		if answer.value.Ref != "" {
			continue // a problem: they are listed by their codes
		}
		with := docsAnswer{Status: answer.name, contractResponse: answer.value, Bodies: bodies(answer.value.Content)}
		for _, header := range answer.value.Headers {
			with.Headers = append(with.Headers, header.name)
		}
		shown.Answers = append(shown.Answers, with)
	}
	return shown
}

func bodies(content ordered[*contractMedia]) []docsBody {
	shown := make([]docsBody, len(content))
	for i, media := range content {
		shown[i] = docsBody{Media: media.name, contractMedia: media.value}
	}
	return shown
}

// Entries are the examples, for the template.
func (b docsBody) Entries() []docsExample {
	shown := make([]docsExample, len(b.Examples))
	for i, example := range b.Examples {
		shown[i] = docsExample{example.name, example.value.Value}
	}
	return shown
}

type docsExample struct {
	Title string
	Value any
}

// headers are those of answers, under their names.
func (doc *contract) headers() []*contractParameter {
	shown := make([]*contractParameter, len(doc.Components.Headers))
	for i, header := range doc.Components.Headers {
		named := *header.value
		named.Name = header.name
		shown[i] = &named
	}
	return shown
}

// A docsProblem is a row of the table of problems.
type docsProblem struct {
	Code   string
	Status int
	Title  string
	Help   string
}

func docsProblems() []docsProblem {
	shown := make([]docsProblem, len(problemTypes))
	for i, k := range problemTypes {
		shown[i] = docsProblem{Code: k.code, Status: k.status, Title: k.title, Help: k.help}
	}
	return shown
}

// anchor is what the page calls an operation in its addresses.
func anchor(op docsOperation) string { return op.OperationID }

// prose turns a description into paragraphs: `code` and **strong** are all that is marked in one.
func prose(text string) htmltemplate.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		out.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			part = htmltemplate.HTMLEscapeString(part)
			if i%2 == 1 {
				out.WriteString("<code>" + part + "</code>")
				continue
			}
			for j, words := range strings.Split(part, "**") {
				if j%2 == 1 {
					words = "<strong>" + words + "</strong>"
				}
				out.WriteString(words)
			}
		}
		out.WriteString("</p>\n")
	}
	return htmltemplate.HTML(out.String()) //nolint:gosec // every part of it is escaped above
}

// typeName says what a value is, with a link where that is told elsewhere on the page.
func typeName(s *schema) htmltemplate.HTML {
	if s == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		name = htmltemplate.HTMLEscapeString(name)
		return htmltemplate.HTML(`<a href="#schema-` + name + `">` + name + `</a>`) //nolint:gosec // it is escaped above
	}
	var parts []string
	for _, either := range s.AnyOf {
		parts = append(parts, string(typeName(either)))
	}
	for _, kind := range s.Type {
		kind = htmltemplate.HTMLEscapeString(kind)
		switch {
		case kind == "array":
			kind = "list of " + string(typeName(s.Items))
		case s.Const != nil:
			kind = htmltemplate.HTMLEscapeString(fmt.Sprintf("%q", s.Const))
		case kind == "string" && s.Format != "":
			kind = htmltemplate.HTMLEscapeString(s.Format)
		}
		parts = append(parts, kind)
	}
	if of, ok := s.AdditionalProperties.(*schema); ok {
		parts = []string{"object of " + string(typeName(of))}
	}
	return htmltemplate.HTML(strings.Join(parts, " or ")) //nolint:gosec // each part is escaped above
}

// limits says what a value may be beyond its type.
func limits(s *schema) string {
	var parts []string
	if s.Items != nil {
		if inner := limits(s.Items); inner != "" {
			parts = append(parts, "each "+inner)
		}
	}
	var options []string
	for _, option := range s.Enum {
		if option != nil {
			options = append(options, strconv.Quote(fmt.Sprint(option)))
		}
	}
	if len(options) > 0 {
		parts = append(parts, strings.Join(options, ", "))
	}
	for _, limit := range []struct {
		n    *int
		text string
	}{
		{s.MinLength, "at least %d characters"}, {s.MaxLength, "at most %d characters"}, {s.Minimum, "at least %d"}, {s.Maximum, "at most %d"},
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
		parts = append(parts, fmt.Sprintf("without it %v", s.Default))
	}
	return strings.Join(parts, "; ")
}

// indented is an example as it is read.
func indented(value any) (string, error) {
	if text, ok := value.(jsontext.Value); ok && text.Kind() == '"' {
		var file string
		err := json.Unmarshal(text, &file)
		return file, err
	}
	text, err := json.Marshal(value, jsontext.WithIndent("  "), json.Deterministic(true))
	return string(text), err
}

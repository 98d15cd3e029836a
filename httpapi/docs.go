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

// docsPage is the template of the page at /docs. The page runs no script and loads nothing; its style is inline.
var (
	//go:embed docs.html
	docsPage string
	//go:embed docs.css
	docsStyle string
)

// docsPolicy returns a content security policy that allows the page's own style only.
func docsPolicy() string {
	sum := sha256.Sum256([]byte(docsStyle))
	return ingress.ContentSecurityPolicy + "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// getDocs handles GET /docs.
func (c *call) getDocs() error {
	served := c.api.served()
	c.Writer.Header().Set("Content-Security-Policy", docsPolicy())
	c.Writer.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	return c.sendPublic("text/html; charset=utf-8", served.pageTag, served.page)
}

// index handles GET /. It redirects a browser to the documentation.
func (c *call) index() error {
	c.Writer.Header().Set("Location", c.api.url("/docs"))
	c.Writer.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

// A docsSection holds the operations of one tag.
type docsSection struct {
	contractTag
	Operations []docsOperation
}

type docsOperation struct {
	Method, Path string
	*contractOperation
}

// Scope returns the scope that the token needs, or "" if the operation is public.
func (op docsOperation) Scope() string {
	if len(op.Security) == 0 {
		return ""
	}
	return strings.Join(op.Security[0]["bearer"], ", ")
}

// Name and Value let the template read an entry.
func (e entry[V]) Name() string { return e.name }

func (e entry[V]) Value() V { return e.value }

// page renders the contract as HTML.
func (doc *contract) page(base string) ([]byte, error) {
	sections := make([]docsSection, len(doc.Tags))
	for i, tag := range doc.Tags {
		sections[i].contractTag = tag
		for _, path := range doc.Paths {
			for _, method := range path.value {
				if op := method.value; op.Tags[0] == tag.Name {
					sections[i].Operations = append(sections[i].Operations, docsOperation{strings.ToUpper(method.name), path.name, op})
				}
			}
		}
	}
	tmpl, err := htmltemplate.New("docs").Funcs(htmltemplate.FuncMap{
		"prose": prose, "type": typeName, "limits": limits, "json": indented, "contains": slices.Contains[[]string],
		"param": func(p *contractParameter) *contractParameter {
			if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
				return doc.Components.Parameters.get(name)
			}
			return p
		},
	}).Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = tmpl.Execute(&page, map[string]any{
		"Style": htmltemplate.CSS(docsStyle), //nolint:gosec // it is a constant of the program
		"Info":  doc.Info, "Base": base, "Sections": sections, "Components": doc.Components, "Problems": problemTypes,
	})
	return page.Bytes(), err
}

// prose converts a description to HTML paragraphs. Descriptions use only `code` and **strong**.
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
			for j, text := range strings.Split(part, "**") {
				if j%2 == 1 {
					text = "<strong>" + text + "</strong>"
				}
				out.WriteString(text)
			}
		}
		out.WriteString("</p>\n")
	}
	return htmltemplate.HTML(out.String()) //nolint:gosec // every part is escaped above
}

// typeName returns the type of a value as HTML. A reference to a schema is a link to its section.
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

// limits returns the constraints of a value beyond its type, separated by semicolons.
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
		parts = append(parts, fmt.Sprintf("default %v", s.Default))
	}
	return strings.Join(parts, "; ")
}

// indented formats an example: JSON with indentation, or the text of a file.
func indented(value any) (string, error) {
	if text, ok := value.(jsontext.Value); ok && text.Kind() == '"' {
		var file string
		err := json.Unmarshal(text, &file)
		return file, err
	}
	text, err := json.Marshal(value, jsontext.WithIndent("  "), json.Deterministic(true))
	return string(text), err
}

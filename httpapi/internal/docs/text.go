package docs

import (
	"fmt"
	"html/template"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// prose converts a description to HTML. Descriptions use `code`, **strong**, paragraphs and lists only.
func prose(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if items, ok := strings.CutPrefix(paragraph, "- "); ok {
			out.WriteString("<ul>")
			for item := range strings.SplitSeq(items, "\n- ") {
				out.WriteString("<li>" + inline(item) + "</li>")
			}
			out.WriteString("</ul>\n")
			continue
		}
		out.WriteString("<p>" + inline(paragraph) + "</p>\n")
	}
	return template.HTML(out.String()) //nolint:gosec // every part is escaped in inline
}

// inline converts the text of a paragraph or a list item to HTML.
func inline(text string) string {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
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
	return out.String()
}

// typeName returns the type of a value as HTML. The name of an object is a link to its section.
func (d *document) typeName(s *schema) template.HTML {
	if s == nil {
		return ""
	}
	if name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]; name != "" {
		if target := d.schema(s); len(target.Properties) == 0 {
			return d.typeName(target)
		}
		name = template.HTMLEscapeString(name)
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`) //nolint:gosec // it is escaped above
	}
	var parts []string
	for _, alternatives := range [][]*schema{s.AllOf, s.AnyOf, s.OneOf} {
		for _, one := range alternatives {
			parts = append(parts, string(d.typeName(one)))
		}
	}
	isPunctuation := func(r rune) bool { return strings.ContainsRune(`[", ]`, r) }
	for _, name := range strings.FieldsFunc(string(s.Type), isPunctuation) {
		switch {
		case name == "array":
			parts = append(parts, "list of "+string(d.typeName(s.Items)))
			continue
		case name == "object" && s.AdditionalProperties.Kind() == '{':
			var value schema
			if json.Unmarshal(s.AdditionalProperties, &value, json.MatchCaseInsensitiveNames(true)) == nil {
				parts = append(parts, "object of "+string(d.typeName(&value)))
				continue
			}
		case name == "object" && len(parts) > 0: // the type of the alternatives before
			continue
		case s.Const != nil:
			name = string(s.Const)
		case name == "string" && s.Format != "":
			name = s.Format
		}
		parts = append(parts, template.HTMLEscapeString(name))
	}
	return template.HTML(strings.Join(parts, " or ")) //nolint:gosec // each part is escaped above
}

// limits returns the constraints of a value beyond its type, separated by semicolons.
func (d *document) limits(s *schema) string {
	var parts, options []string
	if s == nil {
		return ""
	}
	if s = d.schema(s); s.Items != nil {
		if inner := d.limits(s.Items); inner != "" {
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
		switch {
		case limit.n == nil:
		case limit.n == s.MinLength && *limit.n == 1:
			parts = append(parts, "not the empty string")
		case limit.n == s.MinItems && *limit.n == 1:
			parts = append(parts, "not the empty list")
		default:
			parts = append(parts, fmt.Sprintf(limit.text, *limit.n))
		}
	}
	if s.Pattern != "" {
		parts = append(parts, "matches "+s.Pattern)
	}
	if s.Default != nil {
		parts = append(parts, "default "+exampleText(s.Default))
	}
	return strings.Join(parts, "; ")
}

// maxLine is the length up to which an example is on one line.
const maxLine = 72

// exampleText formats a value: the text of a string, such as a file, or JSON on one line, or on indented lines.
func exampleText(value jsontext.Value) string {
	var text string
	if value.Kind() == '"' && json.Unmarshal(value, &text) == nil {
		return text
	}
	// The document was decoded, so the value is valid JSON or absent, and formatting cannot fail for a valid value.
	line, indented := value.Clone(), value.Clone()
	if line.Format(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)) != nil ||
		indented.Indent(jsontext.WithIndent("  ")) != nil {
		return ""
	}
	if len(line) <= maxLine {
		return string(line)
	}
	return string(indented)
}

// words returns the words of a name in camel case: "Two months" for "twoMonths".
func words(name string) string {
	text := camelHump.ReplaceAllStringFunc(name, func(s string) string { return " " + strings.ToLower(s) })
	return strings.ToUpper(text[:1]) + text[1:]
}

var camelHump = regexp.MustCompile(`[A-Z]`)

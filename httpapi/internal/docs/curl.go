package docs

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// command returns a shell command that sends a request of an operation with a body. answer is the body of the response,
// or nil. The command needs the token in the shell variable TOKEN.
func (d *document) command(method, path string, op *operation, body, answer jsontext.Value) string {
	var setup string
	var query, options []string
	for _, p := range op.Parameters {
		switch value := p.exampleText(); {
		case p.In == "path":
			setup, value = d.pathValue(path, p, answer)
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
		case p.In == "query" && (p.Required || p.InCommand):
			query = append(query, p.Name+"="+url.QueryEscape(value))
		}
	}
	target := originMark + path
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	options = append(options, d.credentials(op)...)
	input := ""
	if op.RequestBody != nil && len(op.RequestBody.Content) > 0 {
		if media := op.RequestBody.Content[0].Name; strings.HasPrefix(media, "multipart/") {
			var parts []string
			parts, input = formParts(body)
			options = append(options, parts...)
		} else {
			text := quote(exampleText(body))
			// A value that the server has generated comes from the response of another request.
			if refresh := memberText(body, "refresh_token"); refresh != "" {
				setup = d.signIn("refresh_token", "VALUE") + "\n"
				text = strings.ReplaceAll(text, refresh, `'"$VALUE"'`)
			}
			if cursor := memberText(body, "cursor"); cursor != "" {
				setup = "VALUE=" + capture(d.command("GET", path, d.Paths.get(path).Get, nil, nil), "cursor") + "\n"
				text = strings.ReplaceAll(text, cursor, `'"$VALUE"'`)
			}
			options = append(options, "-H "+quote("Content-Type: "+media), "-d "+text)
		}
	}
	words := "curl "
	if method != "GET" && (method != "POST" || op.RequestBody == nil) { // else the method is curl's default
		words += "-X " + method + " "
	}
	return setup + strings.Join(append([]string{words + quoteURL(target)}, options...), " \\\n  ") + input
}

// pathValue returns the value of a path parameter in a command. If the server chooses the id of the resource, setup is
// a command that takes an id from the list of the resources.
func (d *document) pathValue(path string, p *parameter, answer jsontext.Value) (setup, value string) {
	value = p.exampleText()
	parent, _, _ := strings.Cut(path, "/{"+p.Name+"}")
	item := d.Paths.get(parent)
	switch {
	case item.Get == nil:
		return "", url.PathEscape(value)
	case item.Post != nil && d.acceptsMember(item.Post, p.Name):
		return "", cmp.Or(memberText(answer, p.Name), value)
	}
	list := d.command("GET", parent, item.Get, nil, nil)
	return "ID=" + capture(list, "id") + "\n", "$ID"
}

// acceptsMember reports whether the request body of an operation has a member.
func (d *document) acceptsMember(op *operation, name string) bool {
	for _, content := range op.RequestBody.Content {
		return d.schema(content.Value.Schema).Properties.get(name) != nil
	}
	return false
}

// signIn returns a command that signs in and stores a member of the response in a shell variable. If the sign-in
// fails, the variable holds the problem. The result is empty if the API has no local accounts.
func (d *document) signIn(member, variable string) string {
	const path = "/v1/auth/login"
	login := d.Paths.get(path).Post
	if login == nil {
		return ""
	}
	return variable + "=" + capture(d.command("POST", path, login, login.requestExamples()[0].Value.Value, nil), member)
}

// capture returns a command substitution with the text of a member in the response of a command.
func capture(command, member string) string {
	command = "curl -sS " + strings.TrimPrefix(command, "curl ")
	return "$(" + command + " \\\n" + fmt.Sprintf(`  | sed 's/.*"%s":"\([^"]*\)".*/\1/')`, member)
}

// credentials returns the options of curl that authenticate a request.
func (d *document) credentials(op *operation) []string {
	for _, alternative := range op.Security {
		for _, requirement := range alternative {
			switch s := d.Components.SecuritySchemes.get(requirement.Name); {
			case s.Type == "apiKey" && s.In == "cookie":
				return []string{`-b "` + s.Name + `=$TOKEN"`}
			case s.Type == "apiKey":
				return []string{`-H "` + s.Name + `: $TOKEN"`}
			case s.Type == "http" && strings.EqualFold(s.Scheme, "basic"):
				return []string{`-u "$TOKEN"`}
			default:
				return []string{`-H "Authorization: Bearer $TOKEN"`}
			}
		}
	}
	return nil
}

// formParts returns the options for the parts of a multipart form, and a here-document with the part that is a file.
func formParts(body jsontext.Value) (options []string, input string) {
	var parts object[jsontext.Value]
	if json.Unmarshal(body, &parts) != nil {
		return nil, ""
	}
	for _, part := range parts {
		text := exampleText(part.Value)
		if part.Value.Kind() == '"' {
			options = append(options, "-F "+part.Name+"=@-")
			input = " <<'END'\n" + strings.TrimSuffix(text, "\n") + "\nEND"
			continue
		}
		options = append(options, "--form-string "+quote(part.Name+"="+text))
	}
	return options, input
}

// quote quotes a word for a POSIX shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// plainURL matches a URL that needs no quotes in a shell.
var plainURL = regexp.MustCompile(`^[A-Za-z0-9:/._%+=-]*$`)

// quoteURL quotes a URL if necessary. It leaves shell variables to the shell.
func quoteURL(url string) string {
	if plainURL.MatchString(url) {
		return url
	}
	return `"` + url + `"`
}

// memberText returns the text of a member of an object, or "".
func memberText(body jsontext.Value, name string) string {
	var members object[jsontext.Value]
	if body.Kind() != '{' || json.Unmarshal(body, &members) != nil {
		return ""
	}
	if value := members.get(name); value.Kind() == '"' {
		return exampleText(value)
	}
	return ""
}

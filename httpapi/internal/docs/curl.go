package docs

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A shellCommand is the request of an example as a command for a POSIX shell.
type shellCommand struct {
	doc    *document
	op     *operation
	setup  string // commands that store values in shell variables
	target string // path and query
	body   string // quoted
	token  string // the shell variable that holds the token
}

// command returns the command that sends the request of an example. It needs the token in the shell variable TOKEN.
func (d *document) command(op *operation, name string) string {
	c := &shellCommand{doc: d, op: op, target: op.Targets.get(name), token: "TOKEN"}
	body := op.requestExample(name).Value
	c.body = quote(exampleText(body))
	c.storeValues(body)
	options := c.credentials()
	if op.hasParameter("Idempotency-Key") {
		options = append(options, "-H "+quote("Idempotency-Key: "+op.OperationID+"-"+name))
	}
	if op.hasParameter("If-Match") {
		options = append(options, c.condition(name))
	}
	input := ""
	if op.RequestBody != nil && len(op.RequestBody.Content) > 0 {
		if media := op.RequestBody.Content[0].Name; strings.HasPrefix(media, "multipart/") {
			var parts []string
			parts, input = formParts(body)
			options = append(options, parts...)
		} else {
			options = append(options, "-H "+quote("Content-Type: "+media), "-d "+c.body)
		}
	}
	return c.setup + c.curl(options) + input
}

// curl returns a call of curl without the setup.
func (c *shellCommand) curl(options []string) string {
	text := "curl "
	hasBody := c.op.RequestBody != nil
	if c.op.Method != http.MethodGet && (c.op.Method != http.MethodPost || !hasBody) { // else it is curl's default
		text += "-X " + c.op.Method + " "
	}
	return strings.Join(append([]string{text + quoteURL(originMark+c.target)}, options...), " \\\n  ")
}

// generated matches a value in an example that the server has generated. The test that sends the examples writes these
// values.
var generated = regexp.MustCompile(`00000000-0000-4000-8000-[0-9]{12}|example-[a-z-]+-[0-9]+`)

// storeValues replaces the values of the request that the server has generated, or that depend on today's date, by
// shell variables.
func (c *shellCommand) storeValues(body jsontext.Value) {
	resource, query, _ := strings.Cut(c.target, "?")
	if id := generated.FindString(resource); id != "" {
		switch parent, _, _ := strings.Cut(resource, "/"+id); parent {
		case "/v1/devices": // not the session of TOKEN
			c.store("ID", id, c.doc.signIn("device_id"))
		default:
			c.store("ID", id, c.doc.capture(parent, "id"))
		}
	}
	if cursor := generated.FindString(query); cursor != "" {
		member := "next_cursor"
		if c.op.Path == "/v1/sync" {
			member = "cursor"
		}
		values, _ := url.ParseQuery(query) // the test that sends the examples parses it, too
		values.Del("cursor")
		c.store("CURSOR", cursor, c.doc.capture(resource+"?"+values.Encode(), member))
	}
	if cursor := memberText(body, "cursor"); cursor != "" {
		c.store("CURSOR", cursor, c.doc.capture(resource, "cursor"))
	}
	if token := memberText(body, "refresh_token"); token != "" {
		c.store("REFRESH_TOKEN", token, c.doc.signIn("refresh_token"))
	}
	if instant := memberText(body, "expires_at"); instant != "" {
		c.store("NEXT_YEAR", instant[:4], "$(($(date -u +%Y) + 1))")
	}
	if c.op.OperationID == "logout" {
		c.token = "OTHER_TOKEN"
		c.store(c.token, "", c.doc.signIn("access_token"))
	}
}

// store replaces a value in the request by a shell variable. expression is its value in the shell.
func (c *shellCommand) store(variable, value, expression string) {
	c.setup += variable + "=" + expression + "\n"
	if value != "" {
		c.target = strings.ReplaceAll(c.target, value, "$"+variable)
		c.body = strings.ReplaceAll(c.body, value, `'"$`+variable+`"'`)
	}
}

// condition returns the option with the condition of a write. It stores the ETag of an existing resource in a variable.
func (c *shellCommand) condition(name string) string {
	if _, status := c.op.responseExample(name); c.op.Method == http.MethodPut && status == "201" {
		return `-H 'If-None-Match: *'`
	}
	// The resource of an action, such as skip, is at the path above it.
	head := &shellCommand{doc: c.doc, op: c.doc.operation("GET", c.op.Path), target: c.target, token: c.token}
	if head.op == nil {
		head.op, head.target = c.doc.operation("GET", path.Dir(c.op.Path)), path.Dir(c.target)
	}
	call := strings.Replace(head.curl(head.credentials()), "curl ", "curl -sSI ", 1)
	c.setup += "ETAG=$(" + call + " \\\n  | sed -n 's/^[Ee][Tt]ag: //p' | tr -d '\\r')\n"
	return `-H "If-Match: $ETAG"`
}

// signIn returns a command substitution with a member of the response to a sign-in. If the sign-in fails, it is the
// problem. The result is empty if the API has no local accounts.
func (d *document) signIn(member string) string {
	login := d.operation("POST", "/v1/auth/login")
	if login == nil {
		return ""
	}
	return substitution(d.command(login, login.Targets[0].Name), member)
}

// get returns the command of a GET request.
func (d *document) get(target string) string {
	resource, _, _ := strings.Cut(target, "?")
	c := &shellCommand{doc: d, op: d.operation("GET", resource), target: target, token: "TOKEN"}
	return c.curl(c.credentials())
}

// capture returns a command substitution with a member of the response to a GET request.
func (d *document) capture(target, member string) string { return substitution(d.get(target), member) }

// substitution returns a command substitution with the text of a member in the response to a command. If the response
// has several such members, the last one counts.
func substitution(command, member string) string {
	command = "curl -sS " + strings.TrimPrefix(command, "curl ")
	return "$(" + command + " \\\n" + fmt.Sprintf(`  | sed 's/.*"%s":"\([^"]*\)".*/\1/')`, member)
}

// credentials returns the options of curl that authenticate the request.
func (c *shellCommand) credentials() []string {
	for _, alternative := range c.op.Security {
		for _, requirement := range alternative {
			switch s := c.doc.Components.SecuritySchemes.get(requirement.Name); {
			case s.Type == "apiKey" && s.In == "cookie":
				return []string{`-b "` + s.Name + `=$` + c.token + `"`}
			case s.Type == "apiKey":
				return []string{`-H "` + s.Name + `: $` + c.token + `"`}
			case s.Type == "http" && strings.EqualFold(s.Scheme, "basic"):
				return []string{`-u "$` + c.token + `"`}
			default:
				return []string{`-H "Authorization: Bearer $` + c.token + `"`}
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

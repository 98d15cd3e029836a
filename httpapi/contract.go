package httpapi

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// contractFile is the OpenAPI document of an instance with all roles and the bundled accounts.
//
//go:embed openapi.yaml
var contractFile []byte

// securityName is the name of the only security scheme of the contract.
const securityName = "credentials"

// A servedContract holds the response to GET /openapi.json. It does not change.
type servedContract struct {
	document    []byte
	documentTag string
}

// serveContract returns the contract of this instance. It panics if openapi.yaml is malformed: the file is part of the
// program, so every test of the contract fails.
func (a *api) serveContract() servedContract {
	var tree yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(contractFile, &tree, yaml.UseOrderedMap()); err != nil {
		panic(err)
	}
	text, err := json.Marshal(contractNode{a.contract(tree)})
	if err != nil {
		panic(err)
	}
	return servedContract{document: text, documentTag: contentTag(text)}
}

// contract returns the part of the tree of openapi.yaml that this instance serves. It omits the operations that the
// instance does not have, and the tags, parameters and schemas that only these use. It sets the URL of the server and
// the security scheme. It does not change tree.
func (a *api) contract(tree yaml.MapSlice) yaml.MapSlice {
	served := map[string]bool{}
	for _, r := range a.servedRoutes() {
		served[strings.ToLower(r.method)+" "+pathTemplate(r.path)] = true
	}
	tags := map[any]bool{}
	paths := yaml.MapSlice{}
	for _, path := range objectMember(tree, "paths") {
		methods := slices.DeleteFunc(slices.Clone(path.Value.(yaml.MapSlice)), func(method yaml.MapItem) bool {
			return !served[method.Key.(string)+" "+path.Key.(string)]
		})
		for _, method := range methods {
			for _, tag := range member(method.Value.(yaml.MapSlice), "tags").([]any) {
				tags[tag] = true
			}
		}
		if len(methods) > 0 {
			paths = append(paths, yaml.MapItem{Key: path.Key, Value: methods})
		}
	}
	components := objectMember(tree, "components")
	used := map[string]bool{}
	addReferences(used, components, paths)
	addReferences(used, components, objectMember(components, "responses"))
	for _, kind := range []string{"parameters", "schemas"} {
		components = withMember(components, kind, slices.DeleteFunc(slices.Clone(objectMember(components, kind)),
			func(c yaml.MapItem) bool { return !used["#/components/"+kind+"/"+c.Key.(string)] }))
	}
	schemes := objectMember(components, "securitySchemes")
	components = withMember(components, "securitySchemes",
		withMember(schemes, securityName, a.securityScheme(objectMember(schemes, securityName))))

	server := member(tree, "servers").([]any)[0].(yaml.MapSlice)
	tree = withMember(tree, "servers", []any{withMember(server, "url", cmp.Or(a.base, "/"))})
	tree = withMember(tree, "tags", slices.DeleteFunc(slices.Clone(member(tree, "tags").([]any)),
		func(tag any) bool { return !tags[member(tag.(yaml.MapSlice), "name")] }))
	return withMember(withMember(tree, "paths", paths), "components", components)
}

// securityScheme returns the security scheme for Config.SecurityScheme, or else for Config.Challenge. documented is the
// scheme in openapi.yaml, of the bundled accounts.
func (a *api) securityScheme(documented yaml.MapSlice) yaml.MapSlice {
	if a.accounts == nil {
		documented = withMember(documented, "description", "The credentials that the operator of this server accepts. "+
			"Each operation lists the scope that it requires: `read`, `write` or `export`.")
	}
	if len(a.security) == 0 {
		scheme, _, _ := strings.Cut(a.challenge, " ")
		return withMember(documented, "scheme", strings.ToLower(scheme))
	}
	scheme := yaml.MapSlice{{Key: "description", Value: member(documented, "description")}}
	for name, value := range a.security {
		scheme = withMember(scheme, name, value)
	}
	slices.SortFunc(scheme, func(a, b yaml.MapItem) int { return strings.Compare(a.Key.(string), b.Key.(string)) })
	return scheme
}

// addReferences adds to used every $ref in node, and those in the components that node refers to.
func addReferences(used map[string]bool, components yaml.MapSlice, node any) {
	switch node := node.(type) {
	case []any:
		for _, element := range node {
			addReferences(used, components, element)
		}
	case yaml.MapSlice:
		for _, item := range node {
			ref, isText := item.Value.(string)
			if item.Key != "$ref" || !isText {
				addReferences(used, components, item.Value)
				continue
			}
			if !used[ref] {
				used[ref] = true
				kind, name, _ := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
				addReferences(used, components, member(objectMember(components, kind), name))
			}
		}
	}
}

// member returns the value of a member, or nil if there is no such member.
func member(tree yaml.MapSlice, name string) any {
	for _, item := range tree {
		if item.Key == name {
			return item.Value
		}
	}
	return nil
}

// objectMember returns the value of a member that is an object.
func objectMember(tree yaml.MapSlice, name string) yaml.MapSlice {
	value, _ := member(tree, name).(yaml.MapSlice)
	return value
}

// withMember returns a copy of tree with another value of a member. It appends a member that is missing.
func withMember(tree yaml.MapSlice, name string, value any) yaml.MapSlice {
	changed := slices.Clone(tree)
	i := slices.IndexFunc(changed, func(item yaml.MapItem) bool { return item.Key == name })
	if i < 0 {
		return append(changed, yaml.MapItem{Key: name, Value: value})
	}
	changed[i].Value = value
	return changed
}

// A contractNode encodes a YAML value as JSON. It keeps the order of members.
type contractNode struct{ value any }

// MarshalJSONTo implements [json.MarshalerTo].
func (n contractNode) MarshalJSONTo(enc *jsontext.Encoder) error {
	switch value := n.value.(type) {
	case yaml.MapSlice:
		if err := enc.WriteToken(jsontext.BeginObject); err != nil {
			return err
		}
		for _, item := range value {
			if err := json.MarshalEncode(enc, item.Key); err != nil {
				return err
			}
			if err := json.MarshalEncode(enc, contractNode{item.Value}); err != nil {
				return err
			}
		}
		return enc.WriteToken(jsontext.EndObject)
	case []any:
		nodes := make([]contractNode, len(value))
		for i, element := range value {
			nodes[i] = contractNode{element}
		}
		return json.MarshalEncode(enc, nodes)
	default:
		return json.MarshalEncode(enc, value)
	}
}

// contentTag returns the strong entity tag of a response that does not change.
func contentTag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// getContract handles GET /openapi.json.
func (c *call) getContract() error {
	served := c.api.served()
	return c.sendPublic(mediaJSON, served.documentTag, served.document)
}

// sendPublic sends a response that everybody may read and cache, or 304.
func (c *call) sendPublic(media, tag string, body []byte) error {
	same := false
	if lines := c.Request.Header.Values("If-None-Match"); len(lines) > 0 {
		tags, wildcard, err := parseETags("If-None-Match", lines)
		if err != nil {
			return err
		}
		same = wildcard || slices.ContainsFunc(tags, func(t ingress.ETag) bool { return `"`+t.Opaque+`"` == tag })
	}
	header := c.Writer.Header()
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("ETag", tag)
	if same {
		c.Writer.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", media)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.Writer.WriteHeader(http.StatusOK)
	_, err := c.Writer.Write(body)
	return err
}

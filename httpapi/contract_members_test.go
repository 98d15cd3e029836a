package httpapi_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
)

// notStructs are the objects of the contract that no Go struct of this package or of wire describes. The tests that
// send and receive them check their members.
var notStructs = map[string]string{
	"ImportRequest": "a multipart form, which the server reads as a stream",
	"ImportMapping": "package statement decodes it",
	"PublicKeySet":  "the JOSE library encodes it",
	"PublicKey":     "the JOSE library encodes it",
}

// requiredElsewhere are members that are required although the tags of their structs do not say so.
var requiredElsewhere = map[string]string{
	"RegisterRequest.email":    "package auth reports a missing address together with its other errors",
	"RegisterRequest.password": "package auth reports a missing password together with its other errors",
}

// TestContract_HasTheMembersOfTheStructs compares each schema with its Go type: the members, their types, whether they
// are required and whether they may be null.
func TestContract_HasTheMembersOfTheStructs(t *testing.T) {
	c := &memberComparison{t: t, doc: contractOf(t), seen: map[string]bool{}}
	for name, goType := range httpapi.WireTypes() {
		schema := c.doc.at("components", "schemas", name)
		if schema == nil {
			t.Errorf("openapi.yaml has no schema %s, but WireTypes lists it", name)
			continue
		}
		c.seen[name] = true
		c.compare(name, schema, goType, isInput(schema))
	}
	for name := range c.doc.at("components", "schemas") {
		object := c.doc.at("components", "schemas", name)["properties"] != nil
		if _, excepted := notStructs[name]; object && c.seen[name] == excepted {
			t.Errorf("schema %s: used by a Go type: %v; in notStructs: %v", name, c.seen[name], excepted)
		}
	}
}

// isInput reports whether a schema is that of a request. It allows no members beside those that it names.
func isInput(schema jsonTree) bool { return schema["additionalProperties"] == false }

type memberComparison struct {
	t    *testing.T
	doc  jsonTree
	seen map[string]bool // the schemas that belong to a Go type
}

// compare reports the differences between a schema and a Go type. path says where the schema is.
func (c *memberComparison) compare(path string, schema jsonTree, goType reflect.Type, input bool) {
	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndex(ref, "/")+1:]
		if _, excepted := notStructs[name]; excepted || c.seen[name] {
			return
		}
		c.seen[name] = true
		schema = schema.resolve(c.doc)
	}
	if goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
		if alternatives, ok := schema["anyOf"].([]any); ok && goType.Kind() == reflect.Struct && len(alternatives) == 2 {
			c.compare(path, alternatives[0].(map[string]any), goType, input) // the other one is null
			return
		}
	}
	want := ""
	switch goType {
	case reflect.TypeFor[uuid.UUID](), reflect.TypeFor[time.Time]():
		want = "string"
	case reflect.TypeFor[wire.MonthDay]():
		want = "integer"
	default:
		switch goType.Kind() {
		case reflect.String:
			want = "string"
		case reflect.Bool:
			want = "boolean"
		case reflect.Int, reflect.Int64:
			want = "integer"
		case reflect.Slice:
			if goType.Elem().Kind() == reflect.Uint8 {
				return // any JSON value
			}
			want = "array"
			c.compare(path+"[]", schema.at("items"), goType.Elem(), input)
		case reflect.Map:
			want = "object"
			c.compare(path+".*", schema.at("additionalProperties"), goType.Elem(), input)
		case reflect.Struct:
			want = "object"
			c.compareMembers(path, schema, goType, input)
		case reflect.Interface:
			return // any JSON value
		default:
			c.t.Fatalf("%s: the test does not know the Go type %s", path, goType)
		}
	}
	if !slices.Contains(c.types(schema), want) {
		c.t.Errorf("%s has the types %v in openapi.yaml, want %s", path, c.types(schema), want)
	}
}

// compareMembers compares the members of a struct, and of the structs embedded in it, with the properties of a schema.
func (c *memberComparison) compareMembers(path string, schema jsonTree, goType reflect.Type, input bool) {
	required := contracttest.StringList(schema["required"])
	members := map[string]bool{}
	for _, field := range reflect.VisibleFields(goType) {
		if field.Anonymous || !field.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		members[name] = true
		property := schema.at("properties", name)
		if property == nil {
			c.t.Errorf("%s.%s is not in openapi.yaml", path, name)
			continue
		}
		value, optional := field.Type, strings.Contains(options, "omitzero")
		nullable := value.Kind() == reflect.Pointer && !optional
		if isPatch := strings.HasPrefix(value.Name(), "Optional["); isPatch {
			inner, _ := value.FieldByName("Value")
			value = inner.Type
			nullable = slices.Contains(strings.Split(field.Tag.Get("patch"), ","), "nullable")
		} else if input {
			_, required := requiredElsewhere[path+"."+name]
			required = required || value.Kind() == reflect.String || strings.HasPrefix(field.Tag.Get("validate"), "required")
			optional, nullable = !required, !required // null means the default
		}
		if optional == slices.Contains(required, name) {
			c.t.Errorf("%s.%s: optional in Go: %v; required in openapi.yaml: %v", path, name, optional, !optional)
		}
		anyType := len(c.types(property)) == 0 || value.Kind() == reflect.Interface
		if !anyType && nullable != slices.Contains(c.types(property), "null") {
			c.t.Errorf("%s.%s: null in Go: %v; types in openapi.yaml: %v", path, name, nullable, c.types(property))
		}
		c.compare(path+"."+name, property, value, input)
	}
	for name := range schema.at("properties") {
		if !members[name] {
			c.t.Errorf("%s.%s is in openapi.yaml, but the Go type %s has no such member", path, name, goType)
		}
	}
}

// types returns the JSON types that a schema allows. It is empty if the schema allows every type.
func (c *memberComparison) types(schema jsonTree) []string {
	schema = schema.resolve(c.doc)
	if one, ok := schema["type"].(string); ok {
		return []string{one}
	}
	types := contracttest.StringList(schema["type"])
	for _, keyword := range []string{"anyOf", "oneOf"} {
		alternatives, _ := schema[keyword].([]any)
		for _, alternative := range alternatives {
			types = append(types, c.types(jsonTree(alternative.(map[string]any)))...)
		}
	}
	return types
}

package httpapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/docs"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// Where the contract comes from: the routing table (api.go) says which routes there are, who may call them and with
// which parameters; the wire structs say what bodies look like; openapi_operations.go says what each route is for,
// openapi_words.go what each member, parameter and header means, and openapi_examples.json what was really asked and
// answered. Nothing is said twice.

// ordered is a JSON object that keeps its members in order.
type ordered[V any] []entry[V]

type entry[V any] struct {
	name  string
	value V
}

// MarshalJSONTo writes the object.
func (o ordered[V]) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, e := range o {
		if err := enc.WriteToken(jsontext.String(e.name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(enc, e.value); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}

// get returns the member of that name, or the zero V.
func (o ordered[V]) get(name string) V {
	if found := o.find(name); found != nil {
		return *found
	}
	var none V
	return none
}

// find returns the place of the member of that name; nil: there is none.
func (o ordered[V]) find(name string) *V {
	for i := range o {
		if o[i].name == name {
			return &o[i].value
		}
	}
	return nil
}

func (o *ordered[V]) set(name string, value V) { *o = append(*o, entry[V]{name, value}) }

// A contract is an OpenAPI 3.1 document, as far as this one needs it.
type contract struct {
	OpenAPI    string                               `json:"openapi"`
	Info       contractInfo                         `json:"info"`
	Servers    []contractServer                     `json:"servers"`
	Tags       []contractTag                        `json:"tags"`
	Paths      ordered[ordered[*contractOperation]] `json:"paths"`
	Components contractComponents                   `json:"components"`
}

type contractInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Summary     string `json:"summary"`
	Description string `json:"description"`
}

type contractServer struct {
	URL         string `json:"url"`
	Description string `json:"description"`
}

type contractTag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

type contractComponents struct {
	Schemas         ordered[*schema]            `json:"schemas"`
	Parameters      ordered[*contractParameter] `json:"parameters"`
	Headers         ordered[*contractParameter] `json:"headers"`
	Responses       ordered[*contractResponse]  `json:"responses"`
	SecuritySchemes ordered[map[string]string]  `json:"securitySchemes"`
}

// contractOperation is one method of a path.
type contractOperation struct {
	OperationID string                     `json:"operationId"`
	Tags        []string                   `json:"tags"`
	Summary     string                     `json:"summary"`
	Description string                     `json:"description,omitzero"`
	Security    []map[string][]string      `json:"security"` // empty: nobody need say who they are
	Parameters  []*contractParameter       `json:"parameters,omitzero"`
	RequestBody *contractBody              `json:"requestBody,omitzero"`
	Responses   ordered[*contractResponse] `json:"responses"`
	Problems    []string                   `json:"x-problems"` // the codes that a problem of this operation has
}

// contractParameter is a parameter, or a header of an answer, which has neither name nor place.
type contractParameter struct {
	Ref         string  `json:"$ref,omitzero"`
	Name        string  `json:"name,omitzero"`
	In          string  `json:"in,omitzero"`
	Description string  `json:"description,omitzero"`
	Required    bool    `json:"required,omitzero"`
	Style       string  `json:"style,omitzero"`
	Explode     *bool   `json:"explode,omitzero"`
	Schema      *schema `json:"schema,omitzero"`
	Example     any     `json:"example,omitzero"`
}

type contractBody struct {
	Description string                  `json:"description,omitzero"`
	Required    bool                    `json:"required"`
	Content     ordered[*contractMedia] `json:"content"`
}

type contractResponse struct {
	Ref         string                      `json:"$ref,omitzero"`
	Description string                      `json:"description,omitzero"`
	Headers     ordered[*contractParameter] `json:"headers,omitzero"`
	Content     ordered[*contractMedia]     `json:"content,omitzero"`
}

type contractMedia struct {
	Schema   *schema                    `json:"schema"`
	Encoding ordered[map[string]string] `json:"encoding,omitzero"`
	Examples ordered[*contractExample]  `json:"examples,omitzero"`
}

type contractExample struct {
	Summary string `json:"summary,omitzero"`
	Value   any    `json:"value"`
}

// contractVersion is the version of what is promised: the first number is that of /v1, the second rises with what is
// added.
const contractVersion = "1.0"

// aboutContract is what holds for all routes.
const aboutContract = `An expense ledger. Bodies are JSON in UTF-8 with names in snake_case.

**Values.** An amount is a decimal number in a text, beside its currency; JSON numbers are refused for amounts and ` +
	`rates. Dates are YYYY-MM-DD, months YYYY-MM, instants RFC 3339 in UTC, ids UUIDs.

**Requests.** A member or parameter that is not known, or given twice, is refused with 400; a value that breaks a ` +
	`rule with 422, every fault at once. HEAD goes wherever GET does.

**Answers.** Ignore members and values that you do not know: they may be added. Nothing is removed, renamed, ` +
	`retyped or tightened within v1.

**Problems** are RFC 9457 (application/problem+json) everywhere, for unknown routes (404) and methods (405) too. ` +
	"`code`" + ` says which, ` + "`type`" + ` leads to what it means and what to do.

**Writes** that may be repeated: name an Idempotency-Key, or choose the id. ETag and If-Match keep two changes from ` +
	`overwriting each other. A PATCH is a JSON Merge Patch (RFC 7396).

**Lists** come in pages: go on with ` + "`next_cursor`" + ` until it is null.

**Limits.** RateLimit says what is left of the time's share; beyond it there is 429, and Retry-After says when to ` +
	`come back. Headers that are for browsers (Content-Security-Policy, Access-Control-Allow-Origin and others) are ` +
	`explained among the headers, not with each operation.

**Browsers.** Where origins are listed, a page of one of them may send each of these requests; the preflight ` +
	`(OPTIONS with Origin and Access-Control-Request-Method) is answered with 204, Access-Control-Allow-Methods, ` +
	`Access-Control-Allow-Headers and Access-Control-Max-Age at every path. For any other, OPTIONS is 405.`

// contract describes the routes of the table, and nothing else.
func (a *api) contract(table []route) *contract {
	made := &schemas{names: map[reflect.Type]string{}}
	told := examples()
	doc := &contract{
		OpenAPI: "3.1.0",
		Info: contractInfo{
			Title: "SpendWise", Version: contractVersion, Summary: "An expense ledger with many currencies",
			Description: aboutContract,
		},
		Servers: []contractServer{{URL: cmp.Or(a.base, "/"), Description: "This server."}},
	}
	for _, r := range table {
		op := describe(made, r, told)
		path, method := pathTemplate(r.path), strings.ToLower(r.method)
		if methods := doc.Paths.find(path); methods != nil {
			methods.set(method, op)
		} else {
			doc.Paths.set(path, ordered[*contractOperation]{{method, op}})
		}
	}
	for _, section := range sections {
		if slices.ContainsFunc(table, func(r route) bool { return sectionOf(r.path) == section.name }) {
			doc.Tags = append(doc.Tags, contractTag{Name: section.name, Description: section.about})
		}
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[problemBody](), reflect.TypeFor[mutationInput](), reflect.TypeFor[mutationResult](),
		reflect.TypeFor[wire.AlertPatch](),
	} {
		made.component(t) // what is told of everywhere, and what a push carries and reads item by item
	}
	doc.Components = contractComponents{
		Schemas: made.components, Parameters: headerParameters(), Headers: answerHeaders(), Responses: a.problemResponses(),
		SecuritySchemes: ordered[map[string]string]{{"bearer", map[string]string{
			"type": "http", "scheme": "bearer",
			"description": "An access token of a sign-in, or a personal access token. Each operation lists what the token " +
				"must allow: read, " +
				"write or export; or account, which no personal access token does.",
		}}},
	}
	return doc
}

// sectionOf returns the name of the section that a path is in.
func sectionOf(path string) string {
	for _, section := range sections {
		if strings.HasPrefix(path, section.paths) {
			return section.name
		}
	}
	return ""
}

// describe joins what the table says of a route with what operations does.
func describe(made *schemas, r route, told []exchange) *contractOperation {
	pattern := r.method + " " + pathTemplate(r.path)
	said := operations[pattern]
	told = slices.DeleteFunc(slices.Clone(told), func(x exchange) bool { return x.Operation != pattern })
	op := &contractOperation{
		OperationID: said.id, Tags: []string{sectionOf(r.path)}, Summary: said.summary, Description: said.about,
		Security: []map[string][]string{}, Problems: problemsOf(r, said),
	}
	if r.scope != 0 {
		op.Security = append(op.Security, map[string][]string{"bearer": {scopeName(r.scope)}})
	}
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			op.Parameters = append(op.Parameters, parameter(pattern, name, "path"))
		}
	}
	for _, name := range r.query {
		op.Parameters = append(op.Parameters, parameter(pattern, name, "query"))
	}
	for _, name := range requestHeaders(r, said) {
		op.Parameters = append(op.Parameters, &contractParameter{Ref: "#/components/parameters/" + name})
	}
	op.RequestBody = requestBody(made, r, said, told)
	for _, success := range said.gives {
		op.Responses.set(strconv.Itoa(success.status), response(made, r, said, success, told))
	}
	if r.method == http.MethodGet && said.tagged {
		op.Responses.set(strconv.Itoa(http.StatusNotModified),
			response(made, r, said, success{status: http.StatusNotModified, about: "The client has this version already."},
				told))
	}
	for _, k := range problemTypes {
		status := strconv.Itoa(k.Status)
		if !slices.Contains(op.Problems, k.Code) || op.Responses.get(status) != nil {
			continue
		}
		var codes []string
		for _, other := range problemTypes {
			if other.Status == k.Status && slices.Contains(op.Problems, other.Code) {
				codes = append(codes, "`"+other.Code+"`")
			}
		}
		op.Responses.set(status,
			&contractResponse{Ref: "#/components/responses/" + responseName(k.Status), Description: strings.Join(codes, ", ")})
	}
	return op
}

// scopeName is what the contract calls a scope.
func scopeName(scope auth.Scopes) string {
	for _, known := range tokenScopes {
		if known.scope == scope {
			return known.name
		}
	}
	return "account"
}

// keeps reports whether a route answers a request again that comes under the same Idempotency-Key.
func (r route) keeps() bool { return r.scope == auth.ScopeWrite && r.method != http.MethodGet }

// requestHeaders lists the headers that a route reads, beside those that all do.
func requestHeaders(r route, said operation) []string {
	headers := slices.Clone(said.header)
	if r.keeps() {
		headers = append(headers, "Idempotency-Key")
	}
	if said.guarded {
		headers = append(headers, "If-Match")
	}
	if said.tagged && r.method == http.MethodGet {
		headers = append(headers, "If-None-Match")
	}
	return append(headers, "X-Request-Id", "traceparent")
}

// problemsOf lists the codes that a problem of a route may have, in the order of the table of problems.
func problemsOf(r route, said operation) []string {
	has := map[string]bool{
		codeMalformed: true, codeUnknownParameter: true, codeHeadersTooLarge: true, codeInternal: true, codeUnavailable: true,
		codeUnauthenticated: r.scope != 0, codeForbidden: r.scope != 0,
		codeNotFound:        strings.Contains(r.path, ":"),
		codeValidation:      said.takes != nil || len(r.query) > 0 || r.keeps(),
		codeKeyReused:       r.keeps(),
		codePayloadTooLarge: said.takes != nil, codeUnsupportedMediaType: said.takes != nil,
		codeCursorInvalid:   slices.Contains(r.query, "cursor"),
		codeVersionMismatch: said.guarded,
		codeRateLimited:     r.class != ingress.Unlimited,
	}
	for _, code := range said.problems {
		has[code] = true
	}
	var codes []string
	for _, k := range problemTypes {
		if has[k.Code] {
			codes = append(codes, k.Code)
		}
	}
	return codes
}

// parameter describes one of a route; a name with "*" at the end may come more than once.
func parameter(pattern, name, place string) *contractParameter {
	name, repeatable := strings.CutSuffix(name, "*")
	w, own := parameterWords[pattern+" "+name]
	if !own {
		w = parameterWords[name]
	}
	p := spoken(w)
	p.Name, p.In, p.Required = name, place, place == "path"
	if repeatable {
		p.Schema, p.Style, p.Explode = &schema{Type: types{"array"}, Items: p.Schema}, "form", new(true)
		if p.Example != nil {
			p.Example = []any{p.Example}
		}
	}
	return p
}

// requestBody describes what a route takes.
func requestBody(made *schemas, r route, said operation, told []exchange) *contractBody {
	if said.takes == nil {
		return nil
	}
	body := &contractBody{Required: true}
	content := &contractMedia{Schema: made.of(said.takes), Examples: requestExamples(told)}
	switch {
	case said.takes == reflect.TypeFor[importInput]():
		content.Encoding = ordered[map[string]string]{{"mapping", map[string]string{"contentType": mediaJSON}},
			{"file", map[string]string{"contentType": "text/csv"}}}
		body.Content.set("multipart/form-data", content)
	case r.method == http.MethodPatch:
		body.Content.set(mediaJSON, content)
		body.Content.set(mediaMergePatch, &contractMedia{Schema: content.Schema})
	default:
		body.Content.set(mediaJSON, content)
	}
	return body
}

// response describes one way to answer that it was done.
func response(made *schemas, r route, said operation, s success, told []exchange) *contractResponse {
	answer := &contractResponse{Description: s.about}
	headers := slices.Clone(s.header)
	if said.tagged {
		headers = append(headers, "ETag")
	}
	if r.keeps() {
		headers = append(headers, "Idempotency-Replayed")
	}
	if slices.Contains(r.query, "cursor") && strings.HasPrefix(s.body.Name(), "page[") {
		headers = append(headers, "Link")
	}
	if r.class != ingress.Unlimited {
		headers = append(headers, rateHeaders...)
	}
	answer.Headers = headerRefs(headers)
	if s.media == "" {
		return answer
	}
	content := &contractMedia{Examples: answerExamples(told, s.status)}
	switch media, _, _ := strings.Cut(s.media, ";"); {
	case s.body != nil:
		content.Schema = made.of(s.body)
	case media == mediaJSON:
		content.Schema = &schema{Type: types{"object"}}
	default:
		content.Schema = &schema{Type: types{"string"}}
	}
	answer.Content.set(s.media, content)
	return answer
}

// everyAnswer are the headers that all answers have.
var everyAnswer = []string{"Cache-Control", "X-Request-Id"}

// rateHeaders are those of the answers of routes whose use is limited.
var rateHeaders = []string{"RateLimit", "RateLimit-Policy"}

func headerRefs(names []string) ordered[*contractParameter] {
	var refs ordered[*contractParameter]
	for _, name := range append(slices.Sorted(slices.Values(names)), everyAnswer...) {
		refs.set(name, &contractParameter{Ref: "#/components/headers/" + name})
	}
	return refs
}

// headerParameters are the headers of requests.
func headerParameters() ordered[*contractParameter] {
	var headers ordered[*contractParameter]
	for _, name := range slices.Sorted(maps.Keys(requestHeaderWords)) {
		header := spoken(requestHeaderWords[name])
		header.Name, header.In = name, "header"
		headers.set(name, header)
	}
	return headers
}

func answerHeaders() ordered[*contractParameter] {
	var headers ordered[*contractParameter]
	for _, name := range slices.Sorted(maps.Keys(headerWords)) {
		headers.set(name, spoken(headerWords[name]))
	}
	return headers
}

// spoken is what a word says of a parameter or a header.
func spoken(w word) *contractParameter {
	p := &contractParameter{Description: w.about, Example: w.example}
	w.about, w.example = "", nil
	p.Schema = w.dress(&schema{Type: types{"string"}})
	return p
}

// responseName is the name of the components' response for the problems of a status.
func responseName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

// problemResponses describes the problems, status by status, with an example of each code.
func (a *api) problemResponses() ordered[*contractResponse] {
	var responses ordered[*contractResponse]
	for _, k := range problemTypes {
		name := responseName(k.Status)
		answer := responses.get(name)
		if answer == nil {
			answer = &contractResponse{Headers: headerRefs(problemHeaders(k.Status)), Content: ordered[*contractMedia]{{
				mediaProblem, &contractMedia{Schema: refTo("Problem")},
			}}}
			responses.set(name, answer)
		}
		why, _, _ := strings.Cut(k.Help, "\n\n")
		answer.Description = strings.TrimSpace(answer.Description + "\n\n`" + k.Code + "`: " + why)
		answer.Content[0].value.Examples.set(k.Code, &contractExample{Summary: k.Title, Value: a.exampleProblem(k)})
	}
	return responses
}

// problemHeaders are the headers that the problems of a status have beside those of every answer.
func problemHeaders(status int) []string {
	switch status {
	case http.StatusUnauthorized:
		return append([]string{"WWW-Authenticate"}, rateHeaders...)
	case http.StatusMethodNotAllowed:
		return append([]string{"Allow"}, rateHeaders...)
	case http.StatusUnsupportedMediaType:
		return append([]string{"Accept-Encoding"}, rateHeaders...)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return append([]string{"Retry-After"}, rateHeaders...)
	}
	return rateHeaders
}

func (a *api) exampleProblem(k problemType) problemBody {
	why, _, _ := strings.Cut(k.Help, "\n\n")
	example := problemBody{
		Type: a.url("/problems/" + k.Code), Title: k.Title, Status: k.Status, Detail: why, Instance: a.url(expensesPath),
		Code:      k.Code,
		RequestID: "7Q5TYV2WZK3N4J6M",
	}
	switch k.Code {
	case codeValidation:
		example.Errors = []fieldError{{Pointer: "#/amount", Code: "too_many_digits", Detail: "EUR has 2 minor digits, so " +
			"1.234 has too many."}}
	case codeUnknownParameter:
		example.Errors = []fieldError{{Parameter: "form", Code: codeUnknownParameter, Detail: "There is no such " +
			"parameter here."}}
	case codeVersionMismatch:
		example.CurrentVersion = 12
	}
	return example
}

// A servedContract is the contract as it is sent: once made, it does not change.
type servedContract struct {
	document, page       []byte
	documentTag, pageTag string
}

func (a *api) serveContract() servedContract {
	doc := a.contract(a.allRoutes()) // behind a gateway one contract holds, whichever instance answers
	text, err := json.Marshal(doc, json.Deterministic(true))
	if err != nil {
		panic(err) // a schema cannot be written: every test of the contract fails
	}
	page, err := docs.Page(text, a.base, problemTypes)
	if err != nil {
		panic(err) // the page's template does not fit: every test of the page fails
	}
	return servedContract{document: text, page: page, documentTag: contentTag(text), pageTag: contentTag(page)}
}

// contentTag is a strong entity tag of a text that never changes while the server runs.
func contentTag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// getContract answers GET /openapi.json.
func (c *call) getContract() error {
	served := c.api.served()
	return c.sendPublic(mediaJSON, served.documentTag, served.document)
}

// sendPublic answers with what everybody may see and keep, or with 304.
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

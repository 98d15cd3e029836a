package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/replica"
)

// pushInput is the body of POST /v1/sync.
type pushInput struct {
	Cursor    *string          `json:"cursor" validate:"omitnil,min=1"`
	Mutations []jsontext.Value `json:"mutations" validate:"required"`
}

// mutationInput is one mutation of a push.
type mutationInput struct {
	MutationID   string         `json:"mutation_id"`
	Type         string         `json:"type"`
	Op           string         `json:"op"`
	ID           string         `json:"id"`
	BaseVersion  *int64         `json:"base_version"`
	BaseMutation *string        `json:"base_mutation"`
	Data         jsontext.Value `json:"data"`
}

// pushBody is the response to a push.
type pushBody struct {
	Results []jsontext.Value `json:"results"`
}

// mutationResult is one result in a pushBody.
type mutationResult struct {
	MutationID string          `json:"mutation_id"`
	Status     string          `json:"status"`
	Version    expense.Version `json:"version,omitzero"`
	Resource   any             `json:"resource,omitzero"`
	Problem    *itemProblem    `json:"problem,omitzero"`
}

// itemProblem is the problem of one mutation. Its pointers lead into the mutation's data, or to a member of the
// mutation.
type itemProblem struct {
	Type           string          `json:"type"`
	Title          string          `json:"title"`
	Status         int             `json:"status"`
	Detail         string          `json:"detail"`
	Code           string          `json:"code"`
	Errors         []fieldError    `json:"errors,omitzero"`
	CurrentVersion expense.Version `json:"current_version,omitzero"`
}

// malformedMutationID returns the detail of a field error for an invalid mutation id.
func malformedMutationID(id string) string {
	return fmt.Sprintf(`%.40q is not a mutation id; give 1 to 255 characters, each an ASCII letter, a digit, ".", "_", `+
		`":" or "-", for example a UUID.`, id)
}

// push handles POST /v1/sync.
func (c *call) push() error {
	raw, err := c.body()
	if err != nil {
		return err
	}
	doc, err := documentOf(c, raw, decodeOuter[pushInput])
	if err != nil {
		return err
	}
	req := replica.PushRequest{Mutations: c.decodeMutations(&doc), Encode: c.encodeResult}
	if len(doc.fieldErrors) > 0 {
		return newFieldProblem(codeValidation, doc.fieldErrors...)
	}
	if doc.value.Cursor != nil {
		if req.Cursor, err = replica.ParseCursor(c.owner, *doc.value.Cursor); err != nil {
			return err
		}
	}
	idempotent, err := c.idempotentRequest(func() ([]byte, error) { return canonicalOrRaw(doc.raw), nil })
	if err != nil {
		return err
	}
	for part := req; ; {
		all := len(part.Mutations) == len(req.Mutations)
		if all {
			err = c.writeOnce(idempotent, func(ctx context.Context, tx store.Tx) (result, error) {
				return c.apply(ctx, tx, part)
			})
		} else {
			err = c.pushPart(part)
		}
		limit, exceeded := errors.AsType[*replica.BatchLimitError](err)
		switch {
		case exceeded:
			part.Mutations = req.Mutations[:limit.Mutations]
		case err != nil || all:
			return err
		default:
			part = req
		}
	}
}

// apply applies mutations and returns the response.
func (c *call) apply(ctx context.Context, tx store.Tx, req replica.PushRequest) (result, error) {
	results, err := replica.Apply(ctx, tx, c.owner, c.env(), req)
	if err != nil {
		return result{}, err
	}
	body := pushBody{Results: make([]jsontext.Value, len(results))}
	for i, r := range results {
		body.Results[i] = r.Response
	}
	return result{body: body, events: c.pushEvents(req.Mutations, results)}, nil
}

// pushPart applies the first mutations of a push in an Update of their own, and stores no response for the whole
// request.
func (c *call) pushPart(req replica.PushRequest) error {
	var res result
	err := c.update(func(tx store.Tx) (err error) {
		res, err = c.apply(c.ctx, tx, req)
		return err
	})
	if err != nil {
		return err
	}
	for _, event := range res.events {
		c.api.observe(event)
	}
	return nil
}

// pushEvents returns the events to report when the results are committed.
func (c *call) pushEvents(mutations []replica.Mutation, results []replica.Result) []Event {
	events := make([]Event, 0, len(results))
	added := map[uuid.UUID]bool{} // a later mutation of the same push must not count an expense again
	for i, r := range results {
		event := ChangePushed{Type: mutations[i].Row.Type.String(), Status: r.Status.String()}
		if event.Type == "" {
			event.Type = "other"
		}
		if r.Replayed {
			event.Status = "repeated"
		}
		events = append(events, event)
		e, ok := r.Row.(expense.Expense)
		changed := r.Status == replica.Applied || r.Status == replica.Merged
		if ok && changed && e.CreatedAt.Equal(expense.Timestamp(c.now)) && !added[e.ID] {
			added[e.ID] = true
			events = append(events, ExpensesAdded{Source: SourceSync, Count: 1})
		}
	}
	return events
}

// encodeResult returns the JSON of a mutation's result.
func (c *call) encodeResult(r replica.Result) ([]byte, error) {
	body := mutationResult{
		MutationID: r.MutationID, Status: r.Status.String(), Version: r.Version, Resource: rowBody(r.Row),
	}
	if r.Err != nil {
		p := problemOf(conflictIfGone(r.Err))
		t, _ := problemTypeOf(p.code)
		body.Problem = &itemProblem{
			Type: c.api.url("/problems/" + t.Code), Title: t.Title, Status: t.Status, Detail: p.detail, Code: t.Code,
			Errors: p.fieldErrors, CurrentVersion: r.Version,
		}
	}
	return json.Marshal(body)
}

// decodeMutations decodes the mutations of a push. An invalid mutation gets an Err, so only this mutation is rejected.
// For a mutation without a valid id, decodeMutations adds a field error to doc, which makes the whole request invalid:
// the result of such a mutation cannot be stored.
func (c *call) decodeMutations(doc *document[pushInput]) []replica.Mutation {
	if len(doc.value.Mutations) > replica.MaxMutations {
		doc.addFieldErrors(fieldError{
			Pointer: "#/mutations", Code: "too_many",
			Detail: fmt.Sprintf("The push has %d mutations, but at most %d are allowed; send the others in another push.",
				len(doc.value.Mutations), replica.MaxMutations),
		})
		return nil
	}
	mutations := make([]replica.Mutation, len(doc.value.Mutations))
	for i, raw := range doc.value.Mutations {
		mutations[i] = c.decodeMutation(raw)
		if !ingress.IsToken(mutations[i].ID, ingress.MaxToken) {
			doc.fieldErrors = append(doc.fieldErrors, fieldError{
				Pointer: "#/mutations/" + strconv.Itoa(i) + "/mutation_id", Code: "malformed_id",
				Detail: malformedMutationID(mutations[i].ID),
			})
		}
	}
	return mutations
}

// decodeMutation decodes one mutation, as strictly as any other request body.
func (c *call) decodeMutation(raw jsontext.Value) replica.Mutation {
	sum := sha256.Sum256(canonicalOrRaw(raw))
	m := replica.Mutation{Fingerprint: sum[:]}
	in, fieldErrors, err := decodeOuter[mutationInput](raw)
	if err == nil && len(fieldErrors) > 0 {
		err = newFieldProblem(codeValidation, fieldErrors...)
	}
	if err != nil {
		m.ID, m.Err = salvageMutationID(raw, err), err
		return m
	}
	m.ID = in.MutationID
	m.Row, _ = replica.ParseRowRef(in.Type, in.ID)
	m.Change, m.Err = c.decodeChange(in, m.Row)
	switch {
	case in.BaseVersion != nil && in.BaseMutation != nil:
		m.Err = memberError("base_mutation", "ambiguous",
			"The mutation has base_version and base_mutation; give only one of them.")
	case in.BaseVersion != nil && *in.BaseVersion < 1:
		m.Err = memberError("base_version", "out_of_range",
			fmt.Sprintf("%d is not a version; give a whole number from 1.", *in.BaseVersion))
	case in.BaseMutation != nil && !ingress.IsToken(*in.BaseMutation, ingress.MaxToken):
		m.Err = memberError("base_mutation", "malformed_id", malformedMutationID(*in.BaseMutation))
	case in.BaseVersion != nil:
		m.BaseVersion = expense.Version(*in.BaseVersion)
	case in.BaseMutation != nil:
		m.BaseMutation = *in.BaseMutation
	}
	return m
}

// salvageMutationID returns the id of a mutation that could not be decoded because of err, so that only this mutation
// is rejected; "" if the id cannot be read either.
func salvageMutationID(raw jsontext.Value, err error) string {
	var lenientInput struct {
		MutationID *string `json:"mutation_id"`
	}
	failure := json.Unmarshal(raw, &lenientInput, lenient())
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if failure != nil || ok && syntax.JSONPointer == "/mutation_id" {
		return ""
	}
	return orEmpty(lenientInput.MutationID)
}

// canonicalOrRaw returns the canonical form of a JSON text, or the text itself if it has none.
func canonicalOrRaw(raw []byte) []byte {
	content, err := canonical(raw)()
	if err != nil {
		return raw
	}
	return content
}

// memberError returns the problem of a member of a mutation.
func memberError(member, code, detail string) error {
	return newFieldProblem(codeValidation, fieldError{Pointer: "#/" + member, Code: code, Detail: detail})
}

// decodeChange decodes what a mutation does to its row. row has no type if the mutation names no valid row.
func (c *call) decodeChange(in mutationInput, row replica.RowRef) (replica.Edit, error) {
	patch := in.Op == "patch"
	if !patch && in.Op != "put" && in.Op != "delete" {
		return nil, memberError("op", "unknown_value",
			fmt.Sprintf("%q is not an op; give put, patch or delete.", cutText(in.Op)))
	}
	_, malformed := expense.ParseID(in.ID)
	switch {
	case row != (replica.RowRef{}):
	case in.Type == store.SettingsRow.String():
		return nil, memberError("id", "malformed_id",
			fmt.Sprintf("%q is not the id of the settings; give settings.", cutText(in.ID)))
	case malformed != nil:
		return nil, memberError("id", "malformed_id", fmt.Sprintf("%q is not an id; give a UUID.", cutText(in.ID)))
	default:
		return nil, memberError("type", "unknown_value",
			fmt.Sprintf("%q is not a type; give expense, category, budget, recurrence, alert or settings.", cutText(in.Type)))
	}
	if in.Op == "delete" {
		return replica.Delete{}, nil
	}
	switch row.Type {
	case store.ExpenseRow:
		if patch {
			data, err := decodeData[wire.ExpensePatch](c, in)
			return replica.PatchExpense{Patch: data.Patch()}, err
		}
		data, err := decodePut[wire.ExpenseInput](c, in)
		return replica.PutExpense{Draft: data.Draft()}, err
	case store.CategoryRow:
		if patch {
			data, err := decodeData[wire.CategoryPatch](c, in)
			return replica.PatchCategory{Patch: data.Patch()}, err
		}
		data, err := decodePut[wire.CategoryInput](c, in)
		return replica.PutCategory{Draft: data.Draft()}, err
	case store.BudgetRow:
		if patch {
			data, err := decodeData[wire.BudgetPatch](c, in)
			return replica.PatchBudget{Patch: data.Patch()}, err
		}
		data, err := decodePut[wire.BudgetInput](c, in)
		return replica.PutBudget{Draft: data.Draft()}, err
	case store.RuleRow:
		if patch {
			data, err := decodeData[wire.RulePatch](c, in)
			if err == nil && data.FromDate.Present {
				err = memberError("from_date", "not_applicable",
					"A push cannot split a rule. Send two mutations: a patch with until_date of the old rule, and a put of a "+
						"new rule.")
			}
			return replica.PatchRule{Draft: data.Draft()}, err
		}
		data, err := decodePut[wire.RuleInput](c, in)
		return replica.PutRule{Draft: data.Draft()}, err
	case store.AlertRow:
		if !patch {
			return nil, memberError("op", "not_applicable",
				"The server raises alerts; a device can only mark one as read, with a patch.")
		}
		data, err := decodeData[wire.AlertPatch](c, in)
		if err == nil && !data.Read.Value {
			err = memberError("read", "not_allowed", "An alert can only be marked as read; give true.")
		}
		return replica.MarkAlertRead{}, err
	default:
		data, err := decodeData[wire.SettingsPatch](c, in)
		change := replica.SettingsChange{Draft: data.Draft(), LimitRate: data.LimitRate.Value}
		if patch {
			return replica.PatchSettings(change), err
		}
		return replica.PutSettings(change), err
	}
}

// decodeData decodes the data of a mutation.
func decodeData[T any](c *call, in mutationInput) (T, error) {
	var zero T
	if len(in.Data) == 0 {
		return zero, memberError("data", "required", "This member is required for the op put or patch.")
	}
	if kind := in.Data.Kind(); kind != '{' {
		return zero, memberError("data", "wrong_type", fmt.Sprintf("This member must be an object, not %s.", kindNames[kind]))
	}
	doc, err := documentOf(c, in.Data, func(raw []byte) (T, []fieldError, error) { return decode[T](raw) })
	if err != nil {
		return zero, err
	}
	if len(doc.fieldErrors) > 0 {
		return zero, newFieldProblem(codeValidation, doc.fieldErrors...)
	}
	return doc.value, nil
}

// decodePut decodes the data of a put. Its id, if any, must be the mutation's.
func decodePut[T interface{ RequestedID() *string }](c *call, in mutationInput) (T, error) {
	data, err := decodeData[T](c, in)
	if err != nil {
		return data, err
	}
	if id := data.RequestedID(); id != nil && !strings.EqualFold(*id, in.ID) {
		err = memberError("id", "other_id",
			fmt.Sprintf("%q is not the id of the mutation; give that id or leave the member out.", cutText(*id)))
	}
	return data, err
}

package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
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

// malformedMutationID returns the field error for the id of a mutation, without its place.
func malformedMutationID(id string) fieldError {
	return fieldError{
		Code: "malformed_id",
		Detail: fmt.Sprintf("The mutation id %s is malformed; give 1 to 255 letters, digits and . _ : -, for example a UUID.",
			expense.QuoteText(id)),
	}
}

// push handles POST /v1/sync.
func (c *call) push() error {
	raw, err := c.body()
	if err != nil {
		return err
	}
	in, err := decodeShape(c.api, raw, &c.errs, decodeOuter[pushInput])
	if err != nil {
		return c.withMalformed(err)
	}
	req := replica.PushRequest{Mutations: c.decodeMutations(in.Mutations), Encode: c.encodeResult}
	if in.Cursor != nil && *in.Cursor != "" {
		if req.Cursor, err = replica.ParseCursor(c.owner, *in.Cursor); err != nil {
			e := errSyncCursor(*in.Cursor)
			e.Pointer = "#/cursor"
			c.errs.add(e)
		}
	}
	key := c.idempotencyKey()
	if err := c.errs.err(); err != nil {
		return err
	}
	idempotent, err := c.idempotentRequest(key, func() ([]byte, error) { return canonicalOrRaw(raw), nil })
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
// For a mutation without a valid id, decodeMutations adds a field error to the call, which makes the whole request
// invalid: the result of such a mutation cannot be stored.
func (c *call) decodeMutations(texts []jsontext.Value) []replica.Mutation {
	if len(texts) > replica.MaxMutations {
		c.errs.add(fieldError{
			Pointer: "#/mutations", Code: "too_many",
			Detail: fmt.Sprintf("The push has %d mutations, but at most %d are allowed; send the others in another push.",
				len(texts), replica.MaxMutations),
		})
		return nil
	}
	mutations := make([]replica.Mutation, len(texts))
	for i, raw := range texts {
		mutations[i] = c.decodeMutation(raw)
		if !ingress.IsToken(mutations[i].ID, ingress.MaxToken) {
			e := malformedMutationID(mutations[i].ID)
			e.Pointer = "#/mutations/" + strconv.Itoa(i) + "/mutation_id"
			c.errs.add(e)
		}
	}
	return mutations
}

// decodeMutation decodes one mutation, as strictly as any other request body.
func (c *call) decodeMutation(raw jsontext.Value) replica.Mutation {
	sum := sha256.Sum256(canonicalOrRaw(raw))
	m := replica.Mutation{Fingerprint: sum[:]}
	var errs memberErrors
	in, err := decodeOuter[wire.Mutation](raw, &errs.fieldErrors)
	if err != nil {
		m.ID, m.Err = salvageMutationID(raw, err), err
		return m
	}
	m.ID = in.MutationID
	m.Row, _ = replica.ParseRowRef(in.Type, in.ID)
	switch {
	case in.BaseVersion != nil && in.BaseMutation != nil:
		errs.addMember("base_mutation", "ambiguous", "The base mutation %s is given besides base_version; give one of them.",
			expense.QuoteText(*in.BaseMutation))
	case in.BaseVersion != nil && *in.BaseVersion < 1:
		errs.addMember("base_version", "out_of_range", "The base version %d is out of range; give a whole number from 1.",
			*in.BaseVersion)
	case in.BaseMutation != nil && !ingress.IsToken(*in.BaseMutation, ingress.MaxToken):
		e := malformedMutationID(*in.BaseMutation)
		e.Pointer = "#/base_mutation"
		errs.add(e)
	case in.BaseVersion != nil:
		m.BaseVersion = *in.BaseVersion
	case in.BaseMutation != nil:
		m.BaseMutation = *in.BaseMutation
	}
	m.Change = c.decodeChange(in, m.Row, &errs)
	if errs.malformed != nil {
		m.Err = errs.malformed
	} else {
		m.Err = errs.err()
	}
	return m
}

// memberErrors collects the errors of a mutation.
type memberErrors struct {
	fieldErrors

	malformed error // the data is not JSON
}

// addMember adds the error of a member of the mutation or of its data, unless the member has one already.
func (m *memberErrors) addMember(member, code, detail string, args ...any) {
	m.addNew(fieldError{Pointer: "#/" + member, Code: code, Detail: fmt.Sprintf(detail, args...)})
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

// decodeChange decodes what a mutation does to its row. row has no type if the mutation names no valid row. It returns
// nil after an error.
func (c *call) decodeChange(in wire.Mutation, row replica.RowRef, errs *memberErrors) replica.Edit {
	patch := in.Op == "patch"
	if !patch && in.Op != "put" && in.Op != "delete" {
		errs.addMember("op", "unknown_value", "The op %s is unknown; give put, patch or delete.", expense.QuoteText(in.Op))
	}
	if row == (replica.RowRef{}) {
		switch _, malformed := expense.ParseID(in.ID); {
		case in.Type == store.SettingsRow.String():
			errs.addMember("id", "malformed_id", "The id %s is not that of the settings; give settings.",
				expense.QuoteText(in.ID))
		case malformed != nil:
			errs.addMember("id", "malformed_id", "The id %s is not a UUID; give the UUID of the row.", expense.QuoteText(in.ID))
			fallthrough
		default:
			if !slices.Contains(syncTypes(), in.Type) {
				errs.addMember("type", "unknown_value", "The type %s is unknown; give one of %s.",
					expense.QuoteText(in.Type), strings.Join(syncTypes(), ", "))
			}
		}
	}
	switch {
	case row == (replica.RowRef{}) || !patch && in.Op != "put" && in.Op != "delete":
		return nil
	case in.Op == "delete":
		return replica.Delete{}
	}
	switch row.Type {
	case store.ExpenseRow:
		if patch {
			return replica.PatchExpense{Patch: decodeData[wire.ExpensePatch](c, in, errs).Patch()}
		}
		return replica.PutExpense{Draft: decodePut[wire.ExpenseInput](c, in, errs).Draft()}
	case store.CategoryRow:
		if patch {
			return replica.PatchCategory{Patch: decodeData[wire.CategoryPatch](c, in, errs).Patch()}
		}
		return replica.PutCategory{Draft: decodePut[wire.CategoryInput](c, in, errs).Draft()}
	case store.BudgetRow:
		if patch {
			return replica.PatchBudget{Patch: decodeData[wire.BudgetPatch](c, in, errs).Patch()}
		}
		return replica.PutBudget{Draft: decodePut[wire.BudgetInput](c, in, errs).Draft()}
	case store.RuleRow:
		if patch {
			data := decodeData[wire.RulePatch](c, in, errs)
			if data.FromDate.Present {
				errs.addMember("from_date", "not_applicable", "The date %s cannot split a rule in a push; send two mutations: a "+
					"patch with until_date of the old rule, and a put of a new rule.", expense.QuoteText(data.FromDate.Value))
			}
			return replica.PatchRule{Draft: data.Draft()}
		}
		return replica.PutRule{Draft: decodePut[wire.RuleInput](c, in, errs).Draft()}
	case store.AlertRow:
		if !patch {
			errs.addMember("op", "not_applicable",
				"The op %s does not apply to an alert, which only the server raises; mark one as read with a patch.", in.Op)
			return nil
		}
		if data := decodeData[wire.AlertPatch](c, in, errs); !data.Read.Value {
			errs.addMember("read", "not_allowed", "The value false of read is not allowed; give true to mark the alert as read.")
		}
		return replica.MarkAlertRead{}
	default:
		data := decodeData[wire.SettingsPatch](c, in, errs)
		change := replica.SettingsChange{Draft: data.Draft(), LimitRate: data.LimitRate.Value}
		if patch {
			return replica.PatchSettings(change)
		}
		return replica.PutSettings(change)
	}
}

// syncTypes returns the types of rows that a mutation can name.
func syncTypes() []string {
	types := []store.RowType{
		store.ExpenseRow, store.CategoryRow, store.BudgetRow, store.RuleRow, store.AlertRow, store.SettingsRow,
	}
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return names
}

// decodeData decodes the data of a mutation. It returns the zero value after an error.
func decodeData[T any](c *call, in wire.Mutation, errs *memberErrors) T {
	var data T
	switch kind := jsontext.Value(in.Data).Kind(); {
	case len(in.Data) == 0:
		errs.addMember("data", "required", "The member data is missing; give an object for the op %s.", in.Op)
	case kind != '{':
		errs.addMember("data", "wrong_type", "%s of data is %s; give an object.",
			strings.TrimSpace("The value "+showScalar(jsontext.Value(in.Data))), kindNames[kind])
	default:
		var err error
		if data, err = decodeShape(c.api, in.Data, &errs.fieldErrors, decode[T]); err != nil {
			errs.malformed = err
		}
	}
	return data
}

// decodePut decodes the data of a put. Its id, if any, must be the mutation's.
func decodePut[T interface{ RequestedID() *string }](c *call, in wire.Mutation, errs *memberErrors) T {
	data := decodeData[T](c, in, errs)
	if id := data.RequestedID(); id != nil && !strings.EqualFold(*id, in.ID) {
		errs.addMember("id", "other_id", "The id %s is not the id of the mutation; give that id or leave the member out.",
			expense.QuoteText(*id))
	}
	return data
}

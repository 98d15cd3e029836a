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
	"github.com/spendwise/spendwise/httpapi/internal/jsonbody"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
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
	Type           string               `json:"type"`
	Title          string               `json:"title"`
	Status         int                  `json:"status"`
	Detail         string               `json:"detail"`
	Code           string               `json:"code"`
	Errors         []problem.FieldError `json:"errors,omitzero"`
	CurrentVersion expense.Version      `json:"current_version,omitzero"`
}

// malformedMutationID returns the field error for the id of a mutation, without its place.
func malformedMutationID(id string) problem.FieldError {
	return problem.FieldError{
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
	in, err := decodeShape(raw, &c.errs, jsonbody.DecodeOuter[pushInput])
	if err != nil {
		return c.withMalformed(err)
	}
	req := replica.PushRequest{Mutations: c.decodeMutations(in.Mutations), Encode: c.encodeResult}
	if in.Cursor != nil && *in.Cursor != "" {
		if req.Cursor, err = replica.ParseCursor(c.owner, *in.Cursor); err != nil {
			e := errSyncCursor(*in.Cursor)
			e.Pointer = "#/cursor"
			c.errs.AddNew(e)
		}
	}
	key := c.idempotencyKey()
	if err := c.errs.Err(); err != nil {
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
		p := mutationProblem(r)
		t, _ := problem.TypeOf(p.Code)
		body.Problem = &itemProblem{
			Type: c.api.url("/problems/" + t.Code), Title: t.Title, Status: t.Status, Detail: p.Detail, Code: t.Code,
			Errors: p.FieldErrors, CurrentVersion: r.Version,
		}
	}
	return json.Marshal(body)
}

// mutationProblem returns the problem of a mutation that is a conflict or rejected.
func mutationProblem(r replica.Result) *problem.Problem {
	if errors.Is(r.Err, replica.ErrMutationIDReused) {
		return problem.New(problem.CodeKeyReused,
			"Another mutation has used the mutation id %s; give each mutation a new id.",
			expense.QuoteText(r.MutationID))
	}
	if decoded, ok := errors.AsType[*mutationError](r.Err); ok {
		all := decoded.all()
		return problem.Of(all.With(r.Err))
	}
	return problem.Of(problem.ConflictIfGone(r.Err))
}

// decodeMutations decodes the mutations of a push. An invalid mutation gets an Err, so only this mutation is rejected.
// For a mutation without a valid id, decodeMutations adds its field errors to the call, which makes the whole request
// invalid: the result of such a mutation cannot be stored.
func (c *call) decodeMutations(texts []jsontext.Value) []replica.Mutation {
	if len(texts) > replica.MaxMutations {
		c.errs.Add(problem.FieldError{
			Pointer: "#/mutations", Code: "too_many",
			Detail: fmt.Sprintf("The push has %d mutations; give at most %d, and send the others in another push.",
				len(texts), replica.MaxMutations),
		})
		return nil
	}
	mutations := make([]replica.Mutation, len(texts))
	for i, raw := range texts {
		var errs mutationError
		mutations[i] = c.decodeMutation(raw, &errs)
		if !ingress.IsToken(mutations[i].ID, ingress.MaxToken) {
			if raw.Kind() == '{' {
				e := malformedMutationID(mutations[i].ID)
				e.Pointer = "#/mutation_id"
				errs.members.AddNew(e)
			}
			for _, e := range errs.within("#/mutations/" + strconv.Itoa(i)) {
				c.errs.Add(e)
			}
		}
		if !errs.members.Empty() || !errs.data.Empty() {
			mutations[i].Err = &errs
		}
	}
	return mutations
}

// A mutationError holds the errors of a mutation. It is an [expense.ErrInvalid].
type mutationError struct {
	members problem.FieldErrors // of the mutation's members
	data    problem.FieldErrors // of the members of its data
}

func (e *mutationError) Error() string {
	all := e.all()
	return all.Problem().Error()
}

// Is reports whether target is expense.ErrInvalid.
func (e *mutationError) Is(target error) bool { return target == expense.ErrInvalid }

// all returns the errors as they are in the problem of the mutation.
func (e *mutationError) all() problem.FieldErrors {
	var all problem.FieldErrors
	all.Add(e.members.List()...)
	all.Add(e.data.List()...)
	return all
}

// within returns the errors as they are in the problem of the whole request. pointer leads to the mutation.
func (e *mutationError) within(pointer string) []problem.FieldError {
	var errs []problem.FieldError
	for _, inner := range e.members.List() {
		inner.Pointer = pointer + strings.TrimPrefix(inner.Pointer, "#")
		errs = append(errs, inner)
	}
	for _, inner := range e.data.List() {
		inner.Pointer = pointer + "/data" + strings.TrimPrefix(inner.Pointer, "#")
		errs = append(errs, inner)
	}
	return errs
}

// decodeMutation decodes one mutation, as strictly as any other request body, and adds its errors to errs. If there are
// any, the Change holds the part that could be decoded.
func (c *call) decodeMutation(raw jsontext.Value, errs *mutationError) replica.Mutation {
	sum := sha256.Sum256(canonicalOrRaw(raw))
	m := replica.Mutation{Fingerprint: sum[:]}
	in, err := jsonbody.DecodeOuter[wire.Mutation](raw, &errs.members)
	if err != nil {
		m.ID = salvageMutationID(raw, err)
		errs.members.AddFrom(err)
		return m
	}
	m.ID = in.MutationID
	member := errs.members.Member
	switch {
	case in.BaseVersion == nil:
	case *in.BaseVersion < 1:
		member("base_version", "out_of_range", "The base version %d is out of range; give a whole number from 1.",
			*in.BaseVersion)
	default:
		m.BaseVersion = *in.BaseVersion
	}
	switch {
	case in.BaseMutation == nil:
	case in.BaseVersion != nil:
		member("base_mutation", "ambiguous", "The base mutation %s is given besides base_version; give one of them.",
			expense.QuoteText(*in.BaseMutation))
	case !ingress.IsToken(*in.BaseMutation, ingress.MaxToken):
		e := malformedMutationID(*in.BaseMutation)
		e.Pointer = "#/base_mutation"
		errs.members.AddNew(e)
	default:
		m.BaseMutation = *in.BaseMutation
	}
	m.Row = decodeRow(in, &errs.members)
	m.Change = c.decodeChange(in, m.Row.Type, errs)
	return m
}

// decodeRow returns the row of a mutation. If only the id is malformed, the row has a new id, so that the data can be
// checked. If there is no such type, decodeRow returns the zero RowRef.
func decodeRow(in wire.Mutation, errs *problem.FieldErrors) replica.RowRef {
	row, ok := replica.ParseRowRef(in.Type, in.ID)
	if ok {
		return row
	}
	_, malformed := expense.ParseID(in.ID)
	for _, t := range syncTypes() {
		if t.String() != in.Type {
			continue
		}
		if t == store.SettingsRow {
			errs.Member("id", "malformed_id", "The id %s is not that of the settings; give settings.", expense.QuoteText(in.ID))
			return replica.RowRef{Type: t}
		}
		errs.Member("id", "malformed_id", "The id %s is not a UUID; give the UUID of the row.", expense.QuoteText(in.ID))
		return replica.RowRef{Type: t, ID: uuid.New()}
	}
	var names []string
	for _, t := range syncTypes() {
		names = append(names, t.String())
	}
	errs.Member("type", "unknown_value", "The type %s is unknown; give one of %s.",
		expense.QuoteText(in.Type), strings.Join(names, ", "))
	if malformed != nil && in.ID != store.SettingsRow.String() {
		errs.Member("id", "malformed_id", "The id %s is not a UUID; give the UUID of the row.", expense.QuoteText(in.ID))
	}
	return replica.RowRef{}
}

// salvageMutationID returns the id of a mutation that could not be decoded because of err, so that only this mutation
// is rejected; "" if the id cannot be read either.
func salvageMutationID(raw jsontext.Value, err error) string {
	var lenientInput struct {
		MutationID *string `json:"mutation_id"`
	}
	failure := json.Unmarshal(raw, &lenientInput, jsonbody.Lenient())
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

// decodeChange decodes what a mutation does to a row of this type. It returns nil if the type is 0 or the op is
// unknown.
func (c *call) decodeChange(in wire.Mutation, rowType store.RowType, errs *mutationError) replica.Edit {
	patch := in.Op == "patch"
	if !patch && in.Op != "put" && in.Op != "delete" {
		errs.members.Member("op", "unknown_value", "The op %s is unknown; give put, patch or delete.",
			expense.QuoteText(in.Op))
		return nil
	}
	if in.Op == "delete" && rowType != 0 {
		return replica.Delete{}
	}
	switch rowType {
	case store.ExpenseRow:
		if patch {
			return replica.PatchExpense{Patch: decodeData[wire.ExpensePatch](in, errs).Patch()}
		}
		return replica.PutExpense{Draft: decodePut[wire.ExpenseInput](in, errs).Draft()}
	case store.CategoryRow:
		if patch {
			return replica.PatchCategory{Patch: decodeData[wire.CategoryPatch](in, errs).Patch()}
		}
		return replica.PutCategory{Draft: decodePut[wire.CategoryInput](in, errs).Draft()}
	case store.BudgetRow:
		if patch {
			return replica.PatchBudget{Patch: decodeData[wire.BudgetPatch](in, errs).Patch()}
		}
		return replica.PutBudget{Draft: decodePut[wire.BudgetInput](in, errs).Draft()}
	case store.RuleRow:
		if patch {
			data := decodeData[wire.RulePatch](in, errs)
			if data.FromDate.Present {
				errs.data.Member("from_date", "not_applicable", "The date %s cannot split a rule in a push; send two mutations: a "+
					"patch with until_date of the old rule, and a put of a new rule.", expense.QuoteText(data.FromDate.Value))
			}
			return replica.PatchRule{Draft: data.Draft()}
		}
		return replica.PutRule{Draft: decodePut[wire.RuleInput](in, errs).Draft()}
	case store.AlertRow:
		if !patch {
			errs.members.Member("op", "not_applicable",
				"The op %s does not apply to an alert, which only the server raises; mark one as read with a patch.", in.Op)
			return nil
		}
		data := decodeData[wire.AlertPatch](in, errs)
		switch isObject := jsontext.Value(in.Data).Kind() == '{'; {
		case data.Read.Value || !isObject:
		case data.Read.Present:
			errs.data.Member("read", "not_allowed",
				"The value false of read is not allowed; give true to mark the alert as read.")
		default:
			errs.data.Member("read", "required", "The member read is missing; give true to mark the alert as read.")
		}
		return replica.MarkAlertRead{}
	case store.SettingsRow:
		data := decodeData[wire.SettingsPatch](in, errs)
		change := replica.SettingsChange{Draft: data.Draft(), LimitRate: data.LimitRate.Value}
		if patch {
			return replica.PatchSettings(change)
		}
		return replica.PutSettings(change)
	default:
		return nil
	}
}

// syncTypes returns the types of rows that a mutation can name.
func syncTypes() []store.RowType {
	return []store.RowType{
		store.ExpenseRow, store.CategoryRow, store.BudgetRow, store.RuleRow, store.AlertRow, store.SettingsRow,
	}
}

// decodeData decodes the data of a mutation. It returns the part that could be decoded.
func decodeData[T any](in wire.Mutation, errs *mutationError) T {
	var data T
	switch kind := jsontext.Value(in.Data).Kind(); {
	case len(in.Data) == 0:
		errs.members.Member("data", "required", "The member data is missing; give an object for the op %s.", in.Op)
	case kind != '{':
		errs.members.Member("data", "wrong_type", "%s of data is %s; give an object.",
			strings.TrimSpace("The value "+jsonbody.ShowScalar(jsontext.Value(in.Data))), jsonbody.KindNames[kind])
	default:
		var err error
		data, err = decodeShape(in.Data, &errs.data, jsonbody.Decode[T])
		errs.data.AddFrom(err)
	}
	return data
}

// decodePut decodes the data of a put. Its id, if any, must be the mutation's.
func decodePut[T interface{ RequestedID() *string }](in wire.Mutation, errs *mutationError) T {
	data := decodeData[T](in, errs)
	if id := data.RequestedID(); id != nil && !strings.EqualFold(*id, in.ID) {
		errs.data.Member("id", "other_id", "The id %s is not the id of the mutation; give that id or leave the member out.",
			expense.QuoteText(*id))
	}
	return data
}

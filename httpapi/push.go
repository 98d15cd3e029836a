package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// maxMutations is how many changes one push has at most.
const maxMutations = 100

// The statuses of a mutation beside the domain's outcomes.
const (
	statusConflict = "conflict"
	statusRejected = "rejected"
)

// pushInput is what a device changed, in the order in which it did.
type pushInput struct {
	Cursor    *string          `json:"cursor" validate:"omitnil,min=1"`
	Mutations []jsontext.Value `json:"mutations" validate:"required"`
}

// mutationInput is one change. Its data is read when its turn comes: what is wrong with it is no matter to the others.
type mutationInput struct {
	MutationID   string         `json:"mutation_id"`
	Type         string         `json:"type"`
	Op           string         `json:"op"`
	ID           string         `json:"id"`
	BaseVersion  *int64         `json:"base_version"`
	BaseMutation *string        `json:"base_mutation"`
	Data         jsontext.Value `json:"data"`
}

// pushBody is what became of each change.
type pushBody struct {
	Results []jsontext.Value `json:"results"`
}

// mutationResult is what became of one change.
type mutationResult struct {
	MutationID string          `json:"mutation_id"`
	Status     string          `json:"status"`
	Version    expense.Version `json:"version,omitzero"`
	Resource   any             `json:"resource,omitzero"`
	Problem    *itemProblem    `json:"problem,omitzero"`
}

// itemProblem is a problem of one change; its pointers lead into the change's data.
type itemProblem struct {
	Type           string          `json:"type"`
	Title          string          `json:"title"`
	Status         int             `json:"status"`
	Detail         string          `json:"detail"`
	Code           string          `json:"code"`
	Errors         []fieldError    `json:"errors,omitzero"`
	CurrentVersion expense.Version `json:"current_version,omitzero"`
}

// A mutation is one change, read as far as it could be.
type mutation struct {
	in          mutationInput
	fingerprint []byte
	err         error // what is wrong with it beside its data
}

// push answers POST /v1/sync: all changes in one Update, each whole or not at all. Only a push that would post more recurring
// expenses than one Update may, because it changes rules of which so much is due, takes several, in order.
func (c *call) push() error {
	doc, err := readOuter[pushInput](c)
	if err != nil {
		return err
	}
	mutations := c.mutations(&doc)
	if len(doc.fieldErrors) > 0 {
		return newFieldProblem(codeValidation, doc.fieldErrors...)
	}
	var at *syncPlace
	if doc.value.Cursor != nil {
		place, err := c.decodeSync(*doc.value.Cursor)
		if err != nil {
			return err
		}
		at = &place
	}
	promise, err := c.idempotentRequest(func() ([]byte, error) { return fingerprintable(doc.raw), nil })
	if err != nil {
		return err
	}
	p := &push{call: c, mutations: mutations, refused: map[int]error{}}
	for upto := len(mutations); ; {
		if upto == len(mutations) {
			err = c.writeOnce(promise, func(ctx context.Context, tx store.Tx) (result, error) {
				return p.run(ctx, tx, at, upto)
			})
		} else if err = p.first(at, upto); err == nil {
			upto = len(mutations)
			continue
		}
		torn, isTorn := errors.AsType[*tornError](err)
		full, isFull := errors.AsType[*fullError](err)
		switch {
		case isTorn:
			p.refused[torn.item] = torn.cause
		case isFull:
			upto = full.item
		default:
			return err
		}
	}
}

// first does the first changes in an Update of their own. Their answers are kept by their ids, for when all are done.
func (p *push) first(at *syncPlace, upto int) error {
	var res result
	err := p.update(func(tx store.Tx) (err error) {
		res, err = p.run(p.ctx, tx, at, upto)
		return err
	})
	if err != nil {
		return err
	}
	p.done = upto
	for _, event := range res.events {
		p.api.observe(event)
	}
	return nil
}

// mutations reads the changes of a push. Without an id that can be remembered there is no answer to one: that is a fault of the
// whole request.
func (c *call) mutations(doc *document[pushInput]) []mutation {
	if len(doc.value.Mutations) > maxMutations {
		doc.addFieldErrors(fieldError{
			Pointer: "#/mutations", Code: "too_many",
			Detail: fmt.Sprintf("A push has at most %d mutations; send the rest in another one.", maxMutations),
		})
		return nil
	}
	mutations := make([]mutation, len(doc.value.Mutations))
	for i, raw := range doc.value.Mutations {
		in, faults, err := decodeOuter[mutationInput](raw)
		if err != nil || len(faults) > 0 {
			// What a lenient reading can still tell is the id, so that only this one is refused.
			strict := err
			if strict == nil {
				strict = newFieldProblem(codeValidation, faults...)
			}
			in = mutationInput{}
			err := json.Unmarshal(raw, &struct {
				MutationID *string `json:"mutation_id"`
			}{&in.MutationID}, lenient())
			if twice, ok := errors.AsType[*jsontext.SyntacticError](strict); err != nil || ok && twice.JSONPointer == "/mutation_id" {
				in.MutationID = ""
			}
			mutations[i].err = strict
		}
		if !isToken(in.MutationID, maxIdempotencyKey) {
			doc.fieldErrors = append(doc.fieldErrors, fieldError{
				Pointer: "#/mutations/" + strconv.Itoa(i) + "/mutation_id", Code: "malformed_id",
				Detail: "A mutation's id is 1 to 255 letters, digits and . _ : - characters, such as a UUID.",
			})
		}
		mutations[i].in = in
		sum := sha256.Sum256(fingerprintable(raw))
		mutations[i].fingerprint = sum[:]
	}
	return mutations
}

// fingerprintable returns the canonical form of a JSON text, or the text itself where it has none.
func fingerprintable(raw []byte) []byte {
	content, err := canonical(raw)()
	if err != nil {
		return raw
	}
	return content
}

// A tornError says that a change was refused after a part of it had been written: the push is done again without it.
type tornError struct {
	item  int
	cause error
}

func (e *tornError) Error() string {
	return fmt.Sprintf("mutation %d was refused half-way: %v", e.item, e.cause)
}

// A fullError says that with a change more recurring expenses would be posted than one Update posts: those before it go first.
type fullError struct{ item int }

func (e *fullError) Error() string {
	return fmt.Sprintf("mutation %d is too much for one Update", e.item)
}

// A push is a batch of changes on its way through an Update.
type push struct {
	*call
	mutations []mutation
	refused   map[int]error   // what an earlier run found to break off half-way
	events    []Event         // of this run
	added     map[string]bool // the expenses that this run added, by their ids
	done      int             // how many of the first went in by an Update of their own
	posted    int             // how many recurring expenses this run posted, because their rules change
}

// run does what the Update is for. An error of it is one of the whole push, and nothing of it is kept.
func (p *push) run(ctx context.Context, tx store.Tx, at *syncPlace, upto int) (result, error) {
	p.posted = 0
	state, err := tx.State(ctx)
	if err != nil {
		return result{}, err
	}
	if at != nil {
		if err := at.check(state); err != nil {
			return result{}, err
		}
	}
	body := pushBody{Results: make([]jsontext.Value, upto)}
	p.events, p.added = make([]Event, 0, upto), map[string]bool{}
	for i, m := range p.mutations[:upto] {
		if body.Results[i], err = p.item(ctx, tx, i, m, state); err != nil {
			return result{}, err
		}
	}
	return result{status: http.StatusOK, body: body, events: p.events}, nil
}

// item does one change, or answers as before, and remembers the answer.
func (p *push) item(ctx context.Context, tx store.Tx, i int, m mutation, state store.State) (jsontext.Value, error) {
	record, fingerprint, err := p.record(ctx, tx, m.in.MutationID)
	switch {
	case err == nil && bytes.Equal(fingerprint, m.fingerprint):
		p.tell(m, "repeated", row{})
		return record.Result, nil
	case err == nil:
		p.tell(m, statusRejected, row{})
		return json.Marshal(p.failed(m, row{}, newProblem(codeKeyReused, "The mutation's id belongs to another mutation.")))
	case !errors.Is(err, expense.ErrNotFound):
		return nil, err
	}
	witness := &witness{Tx: tx}
	base, err := p.base(ctx, tx, m, state)
	var done row
	switch {
	case err != nil:
	case p.refused[i] != nil:
		err = p.refused[i]
	default:
		done, err = p.apply(ctx, witness, m.in, base)
	}
	if m.in.Type == "recurrence" {
		p.posted += witness.expenses
	}
	// A rule that this push has made can be posted only when it is there.
	if _, behind := errors.AsType[*recurrence.BacklogError](err); i > p.done && (behind || p.posted > recurrence.MaxBatch) {
		return nil, &fullError{item: i}
	}
	if err != nil && !final(err) {
		return nil, err
	}
	if err != nil && witness.wrote {
		return nil, &tornError{item: i, cause: err}
	}
	res := mutationResult{MutationID: m.in.MutationID, Status: done.outcome.String(), Version: done.version, Resource: done.body}
	known := base
	if err == nil {
		known = base.after(m.in.Op, done, state.Version+1)
	} else {
		res = p.failed(m, done, err)
		if known == (sight{}) {
			known = blind
		}
	}
	p.tell(m, res.Status, done)
	text, err := json.Marshal(res)
	if err != nil {
		return nil, fmt.Errorf("encode the answer to a mutation: %w", err)
	}
	payload, err := json.Marshal(mutationRecord{Row: m.in.row(), Base: known.all, GuardedBase: known.group, Result: text})
	if err != nil {
		return nil, fmt.Errorf("encode the record of a mutation: %w", err)
	}
	return text, tx.PutIdempotencyRecord(ctx, store.IdempotencyRecord{
		IdempotencyKey: mutationKey(m.in.MutationID), Fingerprint: m.fingerprint, Retention: store.RetentionTombstones, Payload: payload,
		CreatedAt: expense.Timestamp(p.now),
	})
}

// A mutationRecord is the payload of a mutation's idempotency record.
type mutationRecord struct {
	Row         string          `json:"row"`          // type and id of the row; empty if the mutation names no row
	Base        expense.Version `json:"base"`         // the version of the row that the device knows after the mutation
	GuardedBase expense.Version `json:"guarded_base"` // the version of its guarded fields that the device knows
	Result      jsontext.Value  `json:"result"`       // as it was sent
}

func mutationKey(id string) store.IdempotencyKey { return store.IdempotencyKey{Scope: "sync", Key: id} }

// record returns what is stored of the mutation with this id, and its fingerprint, or ErrNotFound.
func (p *push) record(ctx context.Context, tx store.Tx, id string) (record mutationRecord, fingerprint []byte, err error) {
	stored, err := tx.IdempotencyRecord(ctx, mutationKey(id))
	if err != nil {
		return mutationRecord{}, nil, err
	}
	if err := json.Unmarshal(stored.Payload, &record); err != nil {
		return mutationRecord{}, nil, fmt.Errorf("decode the record of mutation %s: %w", id, err)
	}
	return record, stored.Fingerprint, nil
}

// row names the row that a change is of, so that a later one of the same row may name this one as its base; "" if there can be none.
func (in mutationInput) row() string {
	if in.Type == "settings" && in.ID == settingsID {
		return in.Type
	}
	id, err := expense.ParseID(in.ID)
	if err != nil || !slices.Contains([]string{"alert", "budget", "category", "expense", "recurrence"}, in.Type) {
		return ""
	}
	return in.Type + "/" + id.String()
}

// tell notes for those who observe what became of a change. Its type is the client's text until it is found to be one of ours.
func (p *push) tell(m mutation, status string, done row) {
	what := m.in.Type
	switch what {
	case "expense", "category", "budget", "recurrence", "alert", "settings":
	default:
		what = "other"
	}
	p.events = append(p.events, ChangePushed{Type: what, Status: status})
	body, ok := done.body.(expenseBody)
	changed := status == expense.OutcomeApplied.String() || status == expense.OutcomeMerged.String()
	if ok && changed && body.CreatedAt.Equal(expense.Timestamp(p.now)) && !p.added[body.ID] {
		p.added[body.ID] = true // a later change of the same push adds it no second time
		p.events = append(p.events, ExpensesAdded{Source: SourceSync, Count: 1})
	}
}

// final reports whether an error is about the change itself: sending it again would not help.
func final(err error) bool {
	if errors.Is(err, expense.ErrUnavailable) {
		return false
	}
	if p, ok := errors.AsType[*problem](err); ok {
		return p.code != codeInternal && p.code != codeUnavailable
	}
	for _, kind := range []error{
		expense.ErrConflict, expense.ErrNotFound, expense.ErrExists, expense.ErrStale, expense.ErrInUse, expense.ErrInvalid,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// failed tells a change that did not go in. What the ledger's state stands against is for a person to decide, with the row as it
// is; the rest is refused for good.
func (p *push) failed(m mutation, found row, err error) mutationResult {
	told := problemOf(conflictIfGone(err))
	k, _ := problemTypeOf(told.code)
	res := mutationResult{
		MutationID: m.in.MutationID, Status: statusRejected, Version: found.version, Resource: found.body,
		Problem: &itemProblem{
			Type: p.api.url("/problems/" + k.code), Title: k.title, Status: k.status, Detail: told.detail, Code: k.code, Errors: told.fieldErrors,
			CurrentVersion: found.version,
		},
	}
	switch told.code {
	case codeConflict, codeAlreadyExists, codeGone, codeVersionMismatch:
		res.Status = statusConflict
	}
	return res
}

// A sight is how much of a row a device has seen: all of it at one version, its guarded group perhaps at a later one, which the device
// itself wrote. The zero sight is that of a device which does not say.
type sight struct{ all, group expense.Version }

// blind is the sight of a device whose change is made upon one that never went in, or that the ledger does not remember: it knows
// nothing of what the ledger holds.
var blind = sight{-1, -1}

// lost is the sight of a device that saw the row in a history which a restore took back: it knows no more of what the ledger holds, but
// there was such a row. No version of the ledger is as new.
var lost = sight{math.MaxInt64, math.MaxInt64}

// after returns what the device has seen of the row when its change has gone in, at the version now if it wrote. Of what others
// changed beside it the device has seen nothing yet: another change that it made before it heard of this one's outcome must not
// pass for one that knows of theirs.
func (s sight) after(op string, done row, now expense.Version) sight {
	current := sight{done.version, done.version}
	if s == lost {
		s = blind
	}
	if s == (sight{}) || op != "patch" {
		return current
	}
	if done.outcome != expense.OutcomeApplied || s.all != s.group {
		current.all = s.all
	}
	if done.guard > s.group && done.guard != now {
		current.group = s.group
	}
	return current
}

// base returns what the device had seen of the row when it made the change.
func (p *push) base(ctx context.Context, tx store.Tx, m mutation, state store.State) (sight, error) {
	in := m.in
	switch {
	case m.err != nil:
		return sight{}, m.err
	case in.BaseVersion != nil && in.BaseMutation != nil:
		return sight{}, itemFault("base_mutation", "ambiguous", "A mutation names base_version or base_mutation, not both.")
	case in.BaseVersion != nil && *in.BaseVersion < 1:
		return sight{}, itemFault("base_version", "out_of_range", "A version is a number from 1.")
	case in.BaseVersion != nil && expense.Version(*in.BaseVersion) > state.Version:
		return sight{}, itemFault("base_version", "ahead_of_server", "The ledger has not come to this version; fetch everything again.")
	case in.BaseVersion != nil && state.Discarded.Contains(expense.Version(*in.BaseVersion)):
		return lost, nil
	case in.BaseVersion != nil:
		return sight{expense.Version(*in.BaseVersion), expense.Version(*in.BaseVersion)}, nil
	case in.BaseMutation == nil:
		return sight{}, nil
	case !isToken(*in.BaseMutation, maxIdempotencyKey):
		return sight{}, itemFault("base_mutation", "malformed_id", "It is no mutation's id.")
	}
	record, _, err := p.record(ctx, tx, *in.BaseMutation)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return blind, nil // forgotten with its time, or by a restore from a backup
	case err != nil:
		return sight{}, err
	case record.Row != in.row():
		return sight{}, itemFault("base_mutation", "other_row", "The mutation of this id is one of another row.")
	}
	return sight{record.Base, record.GuardedBase}, nil
}

func itemFault(member, code, detail string) error {
	return newFieldProblem(codeValidation, fieldError{Pointer: "#/" + member, Code: code, Detail: detail})
}

// A row is what a change left or found.
type row struct {
	outcome expense.Outcome
	version expense.Version
	guard   expense.Version // 0 where there is no guarded group
	body    any
}

// apply does one change by the use cases of its type.
func (p *push) apply(ctx context.Context, tx store.Tx, in mutationInput, seen sight) (row, error) {
	base := seen.group
	switch in.Op {
	case "put":
		base = max(0, seen.all) // a put upon nothing that is known is one without a base
	case "patch", "delete":
	default:
		return row{}, itemFault("op", "unknown_value", "An op is put, patch or delete.")
	}
	if in.Type == "settings" {
		if in.ID != settingsID {
			return row{}, itemFault("id", "malformed_id", "The id of the settings is settings.")
		}
		return p.settingsRow(ctx, tx, in, base)
	}
	id, err := expense.ParseID(in.ID)
	if err != nil {
		return row{}, itemFault("id", "malformed_id", "The id must be a UUID.")
	}
	if in.Op == "delete" && in.Type != "alert" {
		return p.deleteRow(ctx, tx, in.Type, id)
	}
	switch in.Type {
	case "expense":
		return p.expenseRow(ctx, tx, in, id, base)
	case "category":
		return p.categoryRow(ctx, tx, in, id, base)
	case "budget":
		return p.budgetRow(ctx, tx, in, id, base)
	case "recurrence":
		return p.ruleRow(ctx, tx, in, id, base)
	case "alert":
		return p.alertRow(ctx, tx, in, id)
	}
	return row{}, unknownType()
}

func unknownType() error {
	return itemFault("type", "unknown_value", "A type is expense, category, budget, recurrence, alert or settings.")
}

// data reads a change's data as strictly as the body of any other request.
func data[T any](p *push, in mutationInput) (T, error) {
	if len(in.Data) == 0 {
		var none T
		return none, itemFault("data", "required", "A put or a patch says in data what is to be.")
	}
	if kind := in.Data.Kind(); kind != '{' {
		var none T
		return none, itemFault("data", "wrong_type", fmt.Sprintf("This must be an object, not %s.", kindNames[kind]))
	}
	value, faults, err := decode[T](in.Data)
	if err != nil {
		return value, err
	}
	doc := document[T]{fieldErrors: faults}
	doc.addFieldErrors(p.api.shape(value)...)
	if len(doc.fieldErrors) > 0 {
		return value, newFieldProblem(codeValidation, doc.fieldErrors...)
	}
	return value, nil
}

// A named input may carry the id of what it describes.
type named interface{ named() *string }

func (in expenseInput) named() *string  { return in.ID }
func (in categoryInput) named() *string { return in.ID }
func (in budgetInput) named() *string   { return in.ID }
func (in ruleInput) named() *string     { return in.ID }

// changed reads the data of a put or a patch and does it. Data that names another id than its mutation is refused.
func changed[I named, P any](p *push, in mutationInput, id uuid.UUID, put func(I) (row, error), patch func(P) (row, error)) (row, error) {
	if in.Op == "patch" {
		input, err := data[P](p, in)
		if err != nil {
			return row{}, err
		}
		return patch(input)
	}
	input, err := data[I](p, in)
	if err != nil {
		return row{}, err
	}
	if given := input.named(); given != nil && !strings.EqualFold(*given, id.String()) {
		return row{}, itemFault("id", "other_id", "The id must be that of the mutation, or left out.")
	}
	return put(input)
}

func (p *push) expenseRow(ctx context.Context, tx store.Tx, in mutationInput, id uuid.UUID, base expense.Version) (row, error) {
	return changed(p, in, id, func(input expenseInput) (row, error) {
		draft := input.draft()
		draft.ID = id.String()
		e, outcome, err := expense.SyncPut(ctx, tx, p.env(), draft, base)
		return rowOf(outcome, e.Version, e.Guard, e), err
	}, func(patch expensePatch) (row, error) {
		e, outcome, err := expense.SyncPatch(ctx, tx, p.env(), id, patch.patch(), base)
		return rowOf(outcome, e.Version, e.Guard, e), err
	})
}

// rowOf is a row as the domain returned it; one without a version is none.
func rowOf(outcome expense.Outcome, version, guard expense.Version, of any) row {
	if version == 0 {
		return row{outcome: outcome}
	}
	return row{outcome: outcome, version: version, guard: guard, body: rowBody(of)}
}

func (p *push) categoryRow(ctx context.Context, tx store.Tx, in mutationInput, id uuid.UUID, base expense.Version) (row, error) {
	return changed(p, in, id, func(input categoryInput) (row, error) {
		draft := input.draft()
		draft.ID = id.String()
		category, outcome, err := expense.SyncPutCategory(ctx, tx, p.env(), draft, base)
		return rowOf(outcome, category.Version, 0, category), err
	}, func(patch categoryPatch) (row, error) {
		category, outcome, err := expense.SyncPatchCategory(ctx, tx, p.env(), id, patch.patch(), base)
		return rowOf(outcome, category.Version, 0, category), err
	})
}

func (p *push) budgetRow(ctx context.Context, tx store.Tx, in mutationInput, id uuid.UUID, base expense.Version) (row, error) {
	return changed(p, in, id, func(input budgetInput) (row, error) {
		draft := input.draft()
		draft.ID = id.String()
		series, outcome, err := budget.SyncPut(ctx, tx, p.env(), draft, base)
		return rowOf(outcome, series.Version, series.Guard, series), err
	}, func(patch budgetPatch) (row, error) {
		series, outcome, err := budget.SyncPatch(ctx, tx, p.env(), id, patch.patch(), base)
		return rowOf(outcome, series.Version, series.Guard, series), err
	})
}

func (p *push) ruleRow(ctx context.Context, tx store.Tx, in mutationInput, id uuid.UUID, base expense.Version) (row, error) {
	return changed(p, in, id, func(input ruleInput) (row, error) {
		draft := input.draft()
		draft.ID = new(id.String())
		rule, outcome, err := recurrence.SyncPut(ctx, tx, p.env(), draft, base)
		return rowOf(outcome, rule.Version, rule.Guard, rule), err
	}, func(patch rulePatch) (row, error) {
		if patch.FromDate.Given {
			return row{}, itemFault("from_date", "not_applicable",
				"A device that splits a rule sends two mutations: the old rule's last day, and the new rule.")
		}
		rule, outcome, err := recurrence.SyncPatch(ctx, tx, p.env(), id, patch.draft(), base)
		return rowOf(outcome, rule.Version, rule.Guard, rule), err
	})
}

// alertPatch is all that a device can do to an alert.
type alertPatch struct {
	Read member[bool] `json:"read"`
}

func (p *push) alertRow(ctx context.Context, tx store.Tx, in mutationInput, id uuid.UUID) (row, error) {
	if in.Op != "patch" {
		return row{}, itemFault("op", "not_applicable", "An alert is raised by the server and stays; a patch marks it as read.")
	}
	patch, err := data[alertPatch](p, in)
	if err != nil {
		return row{}, err
	}
	if !patch.Read.Value {
		return row{}, newFieldProblem(codeValidation, fieldError{Pointer: "#/read", Code: "not_allowed", Detail: "An alert is marked as read: true."})
	}
	alerts, err := tx.Alerts(ctx, expense.Month{})
	if err != nil {
		return row{}, err
	}
	outcome := expense.OutcomeApplied
	for _, alert := range alerts {
		if alert.ID == id && !alert.ReadAt.IsZero() {
			outcome = expense.OutcomeUnchanged
		}
	}
	alert, err := budget.MarkAlertRead(ctx, tx, p.env(), id)
	return rowOf(outcome, alert.Version, 0, alert), err
}

func (p *push) settingsRow(ctx context.Context, tx store.Tx, in mutationInput, base expense.Version) (row, error) {
	if in.Op == "delete" {
		return row{}, itemFault("op", "not_applicable", "The settings cannot be deleted.")
	}
	patch, err := data[settingsPatch](p, in)
	if err != nil {
		return row{}, err
	}
	sync := budget.SyncSettings
	if in.Op == "put" {
		sync = budget.SyncPutSettings
	}
	change, outcome, err := sync(ctx, tx, p.env(), patch.draft(), patch.LimitRate.Value, base)
	return rowOf(outcome, change.Settings.Version, 0, change.Settings), err
}

// deleteRow deletes a row, whatever version the device saw: a deletion wins. What is not there was deleted already.
func (p *push) deleteRow(ctx context.Context, tx store.Tx, what string, id uuid.UUID) (row, error) {
	var none expense.Precondition
	var err error
	switch what {
	case "expense":
		var e expense.Expense
		if e, err = tx.Expense(ctx, id); err == nil {
			err = expense.Delete(ctx, tx, id, none)
			return p.deleted(ctx, tx, e.Version, e, err)
		}
	case "category":
		var category expense.Category
		if category, err = tx.Category(ctx, id); err == nil {
			err = expense.DeleteCategory(ctx, tx, id, none)
			return p.deleted(ctx, tx, category.Version, category, err)
		}
	case "budget":
		var series budget.Budget
		if series, err = tx.Budget(ctx, id); err == nil {
			err = budget.Delete(ctx, tx, id, none)
			return p.deleted(ctx, tx, series.Version, series, err)
		}
	case "recurrence":
		var rule recurrence.Rule
		if rule, err = tx.Rule(ctx, id); err == nil {
			err = recurrence.Delete(ctx, tx, p.env(), id, none)
			return p.deleted(ctx, tx, rule.Version, rule, err)
		}
	default:
		return row{}, unknownType()
	}
	if errors.Is(err, expense.ErrNotFound) {
		return row{outcome: expense.OutcomeUnchanged}, nil
	}
	return row{}, err
}

// deleted is the outcome of a deletion: the version of its tombstone, or the row that stays and why.
func (p *push) deleted(ctx context.Context, tx store.Tx, version expense.Version, was any, err error) (row, error) {
	if err != nil {
		return rowOf(0, version, 0, was), err
	}
	state, err := tx.State(ctx)
	return row{outcome: expense.OutcomeApplied, version: state.Version}, err
}

// A witness notes whether a Tx was written to.
type witness struct {
	store.Tx
	wrote    bool
	expenses int // how many were written
}

func noted[V any](w *witness, value V, err error) (V, error) {
	w.wrote = w.wrote || err == nil
	return value, err
}

func (w *witness) PutSettings(ctx context.Context, settings expense.Settings) (expense.Version, error) {
	version, err := w.Tx.PutSettings(ctx, settings)
	return noted(w, version, err)
}

func (w *witness) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	version, err := w.Tx.PutCategories(ctx, categories...)
	return noted(w, version, err)
}

func (w *witness) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	version, err := w.Tx.DeleteCategory(ctx, id)
	return noted(w, version, err)
}

func (w *witness) MergeCategory(ctx context.Context, from, into uuid.UUID, month expense.Month) (expense.MergeResult, error) {
	merged, err := w.Tx.MergeCategory(ctx, from, into, month)
	return noted(w, merged, err)
}

func (w *witness) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	version, err := w.Tx.PutExpenses(ctx, expenses...)
	if err == nil {
		w.expenses += len(expenses)
	}
	return noted(w, version, err)
}

func (w *witness) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	version, err := w.Tx.DeleteExpenses(ctx, ids...)
	return noted(w, version, err)
}

func (w *witness) PutBudgets(ctx context.Context, budgets ...budget.Budget) (expense.Version, error) {
	version, err := w.Tx.PutBudgets(ctx, budgets...)
	return noted(w, version, err)
}

func (w *witness) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	version, err := w.Tx.DeleteBudget(ctx, id)
	return noted(w, version, err)
}

func (w *witness) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	version, err := w.Tx.PutAlerts(ctx, alerts...)
	return noted(w, version, err)
}

func (w *witness) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	version, err := w.Tx.PutRules(ctx, rules...)
	return noted(w, version, err)
}

func (w *witness) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	version, err := w.Tx.DeleteRule(ctx, id)
	return noted(w, version, err)
}

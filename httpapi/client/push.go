package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	// largestPush is how many bytes the mutations of one push have at most; a body may have a mebibyte.
	largestPush = 900 << 10
	// mostTries is how often a change is decided anew before it waits for a person.
	mostTries = 5
)

// mutationBody is a mutation as it travels.
type mutationBody struct {
	MutationID   string          `json:"mutation_id"`
	Type         Type            `json:"type"`
	Op           Op              `json:"op"`
	ID           string          `json:"id"`
	BaseVersion  expense.Version `json:"base_version,omitempty"`
	BaseMutation string          `json:"base_mutation,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
}

func (m Mutation) body() mutationBody {
	return mutationBody{m.ID, m.Key.Type, m.Op, m.Key.ID, m.BaseVersion, m.BaseMutation, m.Data}
}

// pushBody is the answer to a push.
type pushBody struct {
	Results []MutationResult `json:"results"`
}

// Push sends the queue, in order, until it is empty. What was sent and has no answer is sent again as it was: the server does it
// once. Conflicts and rejections are told to whom [New] was given, and wait in [Client.Conflicts] and [Client.Rejections].
func (c *Client) Push(ctx context.Context) error {
	if err := take(ctx, c.syncing); err != nil {
		return err
	}
	defer give(c.syncing)
	return c.push(ctx)
}

func (c *Client) push(ctx context.Context) error {
	size := c.batch
	for restarts := 0; ; {
		at, batch, err := c.nextBatch(ctx, size)
		if err != nil || len(batch) == 0 {
			return err
		}
		if at.unknown() {
			// Into a history that the device does not know, nothing is sent.
			if err := c.pull(ctx); err != nil {
				return err
			}
			if restarts++; restarts > mostRestarts {
				return errors.New("push: the server starts a new history all the time")
			}
			continue
		}
		got, err := c.sendBatch(ctx, at, batch)
		p, refused := errors.AsType[*Problem](err)
		switch {
		case err == nil:
			if err := c.settle(ctx, batch, got.Results); err != nil {
				return err
			}
			size = c.batch
		case expired(err):
			if err := c.startAnew(ctx, at); err != nil {
				return err
			}
		case refused && refusesContent(p) && len(batch) > 1:
			size = len(batch) / 2 // one of them is the reason, and does not hold up the others
		case refused && refusesContent(p):
			result := MutationResult{MutationID: batch[0].ID, Status: "rejected", Problem: p}
			if err := c.settle(ctx, batch, []MutationResult{result}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("push: %w", err)
		}
	}
}

// refusesContent reports a problem of a whole push that lies in what it says.
func refusesContent(p *Problem) bool {
	switch p.Status {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return p.Code != "" && p.Code != "cursor_invalid"
	}
	return false
}

// nextBatch returns what is to be sent next, and notes that it was sent: from then on it does not change.
func (c *Client) nextBatch(ctx context.Context, size int) (at place, batch []Mutation, err error) {
	err = c.storage.Update(ctx, func(tx Tx) error {
		if at, err = placeOf(ctx, tx); err != nil {
			return err
		}
		queue, err := tx.Mutations(ctx, MutationQuery{States: []State{Queued, Sent}, Limit: size})
		if batch = queue; err != nil || at.unknown() {
			return err
		}
		batch = nil
		bytes := 0
		var fresh []Mutation
		for _, m := range queue {
			if bytes += len(m.Data) + 512; bytes > largestPush && len(batch) > 0 {
				break
			}
			if m.State == Queued {
				m.State = Sent
				fresh = append(fresh, m)
			}
			batch = append(batch, m)
		}
		return tx.PutMutations(ctx, fresh...)
	})
	return at, batch, err
}

func (c *Client) sendBatch(ctx context.Context, at place, batch []Mutation) (pushBody, error) {
	var in struct {
		Cursor    string         `json:"cursor,omitempty"`
		Mutations []mutationBody `json:"mutations"`
	}
	in.Cursor = at.Cursor
	for _, m := range batch {
		in.Mutations = append(in.Mutations, m.body())
	}
	body, err := json.Marshal(in)
	if err != nil {
		return pushBody{}, err
	}
	var got pushBody
	err = c.send(ctx, request{method: http.MethodPost, path: "/v1/sync", body: body, decode: func(a answer) error {
		got = pushBody{}
		if err := into(&got)(a); err != nil {
			return err
		}
		if len(got.Results) != len(batch) {
			return fmt.Errorf("%d results for %d mutations", len(got.Results), len(batch))
		}
		for i, result := range got.Results {
			if result.MutationID != batch[i].ID || result.Status == "" {
				return fmt.Errorf("the result of mutation %s is about %q", batch[i].ID, result.MutationID)
			}
		}
		return nil
	}})
	return got, err
}

// A verdict is what becomes of a mutation that has an answer.
type verdict struct {
	mutation Mutation
	decision Decision // where the answer is a conflict
}

// settle asks for decisions, and then stores what became of a batch, all at once. After a crash in between the server answers as
// before, and the decisions are asked for again.
func (c *Client) settle(ctx context.Context, batch []Mutation, results []MutationResult) error {
	verdicts := make([]verdict, len(batch))
	for i, m := range batch {
		m.Result = &results[i]
		v := verdict{mutation: m}
		switch status := m.Result.Status; {
		case status == "conflict":
			v.mutation.State = Conflicted
			switch {
			case m.Predicted:
				v.decision = KeepServer()
			case c.onConflict != nil && m.Reissues < mostTries:
				v.decision = c.onConflict(ctx, Conflict{v.mutation})
			}
		case m.Predicted && (status == "rejected" || m.Result.Problem != nil):
			// It said what the server does by itself, which it will do or give a reason for.
			v.mutation.State, v.decision = Conflicted, KeepServer()
		case status == "rejected" || m.Result.Problem != nil:
			v.mutation.State = Rejected
		default: // applied, merged, unchanged
			v.mutation.State = Acknowledged
		}
		verdicts[i] = v
	}
	err := c.storage.Update(ctx, func(tx Tx) error {
		for _, v := range verdicts {
			if err := c.store(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the results of a push: %w", err)
	}
	if c.onRejected != nil {
		for _, v := range verdicts {
			if v.mutation.State == Rejected {
				c.onRejected(ctx, Rejection{v.mutation})
			}
		}
	}
	return nil
}

// store stores what became of one mutation, if nobody else has meanwhile.
func (c *Client) store(ctx context.Context, tx Tx, v verdict) error {
	m := v.mutation
	queued, err := tx.Mutations(ctx, MutationQuery{Key: m.Key})
	if err != nil {
		return err
	}
	there := false
	for _, q := range queued {
		there = there || q.ID == m.ID && q.State == Sent
	}
	switch {
	case !there:
		return nil
	case m.State == Conflicted:
		return c.decide(ctx, tx, queued, m, v.decision)
	}
	return tx.PutMutations(ctx, m)
}

// reissue puts a change into the queue once more, in its old place, under an id of its own and upon a version of the row. What
// was made upon it follows it, as far as it was not sent.
func (c *Client) reissue(ctx context.Context, tx Tx, queued []Mutation, m Mutation, version expense.Version) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	old := m.ID
	m.ID, m.State, m.Result = id.String(), Queued, nil
	m.Reissues++
	m.BaseVersion, m.BaseMutation = version, ""
	if m.Op == Delete {
		m.BaseVersion = 0
	}
	for _, q := range queued {
		// Of several changes of a row that are decided together, each is made upon the one before.
		if q.State == Queued && q.Reissues > 0 && q.Seq < m.Seq && m.Op != Delete && q.Op != Delete {
			m.BaseVersion, m.BaseMutation = 0, q.ID
		}
		if q.State == Queued && q.BaseMutation == old {
			q.BaseMutation = m.ID
			if err := tx.PutMutations(ctx, q); err != nil {
				return err
			}
		}
	}
	return errors.Join(tx.DeleteMutations(ctx, old), tx.PutMutations(ctx, m))
}

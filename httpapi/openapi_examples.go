package httpapi

import (
	_ "embed"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// examplesText is what was asked of a server and what it answered, in that order; TestExamples asks it all again.
//
//go:embed openapi_examples.json
var examplesText []byte

// An exchange is a request with its answer.
type exchange struct {
	Title     string            `json:"title"`
	Operation string            `json:"operation"` // "PATCH /v1/expenses/{id}"
	Target    string            `json:"target"`    // path and query
	Header    map[string]string `json:"header,omitzero"`
	Body      jsontext.Value    `json:"body,omitzero"` // a text stands for a body that is no JSON
	Status    int               `json:"status"`
	Answer    jsontext.Value    `json:"answer,omitzero"`
}

// examples reads them all.
func examples() []exchange {
	var all []exchange
	if err := json.Unmarshal(examplesText, &all); err != nil {
		panic(err) // the file is part of the program: every test of the contract fails
	}
	return all
}

// requestExamples are the bodies that were sent.
func requestExamples(told []exchange) ordered[*contractExample] {
	var bodies ordered[*contractExample]
	for _, x := range told {
		if x.Body != nil {
			bodies.set(x.Title, &contractExample{Value: x.Body})
		}
	}
	return bodies
}

// answerExamples are the bodies that were answered under a status.
func answerExamples(told []exchange, status int) ordered[*contractExample] {
	var bodies ordered[*contractExample]
	for _, x := range told {
		if x.Answer != nil && x.Status == status {
			bodies.set(x.Title, &contractExample{Value: x.Answer})
		}
	}
	return bodies
}

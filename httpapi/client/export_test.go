package client

import (
	"bufio"
	"io"
)

// ReadEvents reads a stream to its end.
func ReadEvents(in io.Reader) (events []Event, err error) {
	reader := eventReader{in: bufio.NewReader(in), onLine: func() {}}
	for {
		event, err := reader.next()
		if err != nil {
			return events, err
		}
		if event.Name != "" {
			events = append(events, event)
		}
	}
}

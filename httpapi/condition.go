package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// etag returns the strong entity tag of a version.
func etag(version expense.Version) string {
	return `"` + strconv.FormatInt(int64(version), 10) + `"`
}

// condition parses If-Match and If-None-Match of a write. It adds the errors of the headers to those of the call.
func (c *call) condition() expense.Precondition {
	var cond expense.Precondition
	if lines := c.Request.Header.Values("If-Match"); len(lines) > 0 {
		tags, wildcard, err := parseETags("If-Match", lines)
		c.errs.AddFrom(err)
		cond.Present = wildcard
		for _, tag := range tags {
			// If-Match compares strongly, so a weak tag matches no row. Version 0 does the same.
			var version expense.Version
			if !tag.Weak {
				version = versionOf(tag)
			}
			cond.Versions = append(cond.Versions, version)
		}
	}
	if lines := c.Request.Header.Values("If-None-Match"); len(lines) > 0 {
		_, wildcard, err := parseETags("If-None-Match", lines)
		if c.errs.AddFrom(err); err == nil && !wildcard {
			c.errs.Add(problem.FieldError{
				Header: "If-None-Match", Code: "not_a_star", Problem: problem.CodeMalformed,
				Detail: fmt.Sprintf("The header If-None-Match has the value %s, which a write does not allow; give *, which "+
					"requires that the resource does not exist.", expense.QuoteText(strings.Join(lines, ", "))),
			})
		}
		cond.Absent = true
	}
	return cond
}

// notModified reports whether If-None-Match of a read lists version. It returns a problem if the header is malformed.
func notModified(header http.Header, version expense.Version) (bool, error) {
	lines := header.Values("If-None-Match")
	if len(lines) == 0 {
		return false, nil
	}
	tags, wildcard, err := parseETags("If-None-Match", lines)
	return wildcard || slices.ContainsFunc(tags, func(tag ingress.ETag) bool { return versionOf(tag) == version }), err
}

// versionOf returns the version of a tag, or 0 if the tag is not one that etag returns. No row has version 0.
func versionOf(tag ingress.ETag) expense.Version {
	n, err := strconv.ParseInt(tag.Opaque, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != tag.Opaque {
		return 0
	}
	return expense.Version(n)
}

// parseETags parses the lines of a header. It returns a problem that names the header if they are malformed.
func parseETags(name string, lines []string) (tags []ingress.ETag, wildcard bool, err error) {
	if tags, wildcard, err = ingress.ParseETags(lines); err != nil {
		err = problem.ForField(problem.FieldError{
			Header: name, Code: "malformed_tag", Problem: problem.CodeMalformed,
			Detail: fmt.Sprintf("The header %s has the malformed value %s; give * or at most 100 entity tags in double quotes, "+
				`such as "12".`, name, expense.QuoteText(strings.Join(lines, ", "))),
		})
	}
	return tags, wildcard, err
}

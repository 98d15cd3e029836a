package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// mostHops is how many trusted proxies a request may have come through.
const mostHops = 16

// proxies are the networks whose word on where a request comes from is taken.
type proxies []netip.Prefix

// newProxies checks and unifies the networks.
func newProxies(networks []netip.Prefix) (proxies, error) {
	known := make(proxies, len(networks))
	for i, network := range networks {
		if !network.IsValid() {
			return nil, fmt.Errorf("httpapi: trusted proxy %d is no network", i+1)
		}
		if network.Addr().Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		known[i] = network.Masked()
	}
	return known, nil
}

func (p proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

// A hop is what one proxy says of who it got a request from.
type hop struct {
	address netip.Addr // invalid: it does not say
	proto   string
}

// A client is where a request comes from.
type client struct {
	address netip.Addr // invalid: it is not known
	secure  bool       // it came over TLS
}

// client returns where r comes from. Without trusted proxies that is its connection's other end. A trusted proxy says it in
// X-Forwarded-For or Forwarded, each of which is read from the right, for whatever stands to the left of what the proxies wrote the
// client may have written itself. Where the two contradict each other neither is believed, as a proxy passes on the one that
// it does not write.
func (p proxies) client(r *http.Request) client {
	direct := client{secure: r.TLS != nil}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		direct.address = peer.Addr().Unmap().WithZone("")
	}
	if !p.trust(direct.address) {
		return direct
	}
	told := direct
	told.secure = direct.secure || strings.EqualFold(lastValue(r.Header.Values("X-Forwarded-Proto")), "https")
	lines, newer := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	if len(lines) > 0 {
		told.address = p.origin(direct.address, xForwardedFor(lines)).address
	}
	if len(newer) > 0 {
		by := p.origin(direct.address, forwarded(newer))
		if len(lines) > 0 && by.address != told.address {
			return client{address: direct.address, secure: told.secure}
		}
		told.address, told.secure = by.address, told.secure || strings.EqualFold(by.proto, "https")
	}
	return told
}

// origin walks the hops, the nearest first, and returns the first that is no trusted proxy; the last proxy that is known where one
// does not say from whom it got the request.
func (p proxies) origin(peer netip.Addr, hops func(yield func(hop) bool)) hop {
	origin, count := hop{address: peer}, 0
	for h := range hops {
		if !h.address.IsValid() {
			break
		}
		origin = h
		if count++; count == mostHops || !p.trust(h.address) {
			break
		}
	}
	return origin
}

// xForwardedFor yields the entries of the header's lines from the right.
func xForwardedFor(lines []string) func(yield func(hop) bool) {
	return func(yield func(hop) bool) {
		for _, line := range slices.Backward(lines) {
			for more := true; more; {
				entry := line
				var at int
				if at = strings.LastIndexByte(line, ','); at >= 0 {
					line, entry = line[:at], line[at+1:]
				}
				if more = at >= 0; !yield(hop{address: parseNode(strings.Trim(entry, " \t"))}) {
					return
				}
			}
		}
	}
}

// forwarded yields the elements of the lines of a Forwarded header (RFC 7239) from the right. A line that breaks the syntax ends it
// with a hop that says nothing.
func forwarded(lines []string) func(yield func(hop) bool) {
	return func(yield func(hop) bool) {
		for _, line := range slices.Backward(lines) {
			hops, ok := parseForwarded(line)
			if !ok {
				yield(hop{})
				return
			}
			for _, h := range slices.Backward(hops) {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// parseForwarded reads one line: elements between commas, each of pairs between semicolons.
func parseForwarded(line string) ([]hop, bool) {
	var hops []hop
	var h hop
	seen := map[string]bool{}
	for rest := line; ; {
		rest = strings.TrimLeft(rest, " \t")
		name := rest[:tokenLength(rest)]
		rest = rest[len(name):]
		if name != "" {
			if rest == "" || rest[0] != '=' {
				return nil, false
			}
			value, after, ok := tokenOrQuoted(rest[1:])
			if name = strings.ToLower(name); !ok || seen[name] {
				return nil, false
			}
			seen[name] = true
			switch name {
			case "for":
				h.address = parseNode(value)
			case "proto":
				h.proto = value
			}
			rest = after
		}
		rest = strings.TrimLeft(rest, " \t")
		switch {
		case rest == "":
			return append(hops, h), true
		case rest[0] == ',':
			hops, h, seen = append(hops, h), hop{}, map[string]bool{}
		case rest[0] != ';':
			return nil, false
		}
		rest = rest[1:]
	}
}

// tokenLength returns how many characters at the start of text are a token's (RFC 9110).
func tokenLength(text string) int {
	for i := range len(text) {
		c := text[i]
		if ('a' > c || c > 'z') && ('A' > c || c > 'Z') && ('0' > c || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return i
		}
	}
	return len(text)
}

// tokenOrQuoted reads a token or a quoted string at the start of text, and returns what comes after it.
func tokenOrQuoted(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		n := tokenLength(text)
		return text[:n], text[n:], n > 0
	}
	var unquoted strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return unquoted.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		unquoted.WriteByte(text[i])
	}
	return "", "", false
}

// parseNode reads an address with or without a port; one that is "unknown", hidden or broken is invalid.
func parseNode(text string) netip.Addr {
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		host, _, split := net.SplitHostPort(text)
		if split != nil {
			return netip.Addr{}
		}
		if address, err = netip.ParseAddr(host); err != nil {
			return netip.Addr{}
		}
	}
	return address.Unmap().WithZone("")
}

// lastValue returns what stands last in a header of comma-separated values: the nearest proxy's.
func lastValue(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.Trim(line[strings.LastIndexByte(line, ',')+1:], " \t")
}

// customer returns the network that stands for an address: of IPv6 the /64 that one customer has at least.
func customer(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

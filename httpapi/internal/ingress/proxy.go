package ingress

import (
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops is the maximum number of forwarding entries that Client reads.
const maxHops = 16

// Proxies lists the networks of trusted proxies.
type Proxies []netip.Prefix

// NewProxies returns the networks in canonical form. IPv4 networks that are written as IPv4-mapped IPv6 match IPv4
// addresses.
func NewProxies(networks []netip.Prefix) (Proxies, error) {
	p := make(Proxies, len(networks))
	for i, network := range networks {
		if !network.IsValid() {
			return nil, fmt.Errorf("trusted proxy number %d is not a network; parse it with netip.ParsePrefix", i+1)
		}
		if network.Addr().Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		p[i] = network.Masked()
	}
	return p, nil
}

func (p Proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

// A Client describes the sender of a request.
type Client struct {
	Address netip.Addr // invalid if it is not known
	Secure  bool       // the client used TLS
}

// A hop is one entry of X-Forwarded-For or Forwarded.
type hop struct {
	address netip.Addr // invalid if the entry names no address
	proto   string
}

// Client returns the sender of r. If the peer of the connection is not a trusted proxy, Client returns the peer and
// ignores the forwarding headers.
//
// Otherwise Client reads X-Forwarded-For and Forwarded from right to left, up to the first address that is not a
// trusted proxy. A client can forge everything to the left of that entry. If the two headers disagree, Client returns
// the peer: a proxy passes on unchanged the header that it does not write itself, so one of the two is the client's.
func (p Proxies) Client(r *http.Request) Client {
	client := Client{Secure: r.TLS != nil}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		client.Address = peer.Addr().Unmap().WithZone("")
	}
	if !p.trusts(client.Address) {
		return client
	}
	peer := client.Address
	client.Secure = client.Secure || strings.EqualFold(lastValue(r.Header.Values("X-Forwarded-Proto")), "https")
	xForwardedFor, forwarded := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	if len(xForwardedFor) > 0 {
		client.Address = p.origin(peer, xForwardedForHops(xForwardedFor)).address
	}
	if len(forwarded) > 0 {
		origin := p.origin(peer, forwardedHops(forwarded))
		if len(xForwardedFor) > 0 && origin.address != client.Address {
			return Client{Address: peer, Secure: client.Secure}
		}
		client.Address = origin.address
		client.Secure = client.Secure || strings.EqualFold(origin.proto, "https")
	}
	return client
}

// origin returns the first hop that is not a trusted proxy. The hops are ordered from the nearest to the farthest.
// Before a hop without an address, and after maxHops hops, origin stops and returns the last hop that it has read.
func (p Proxies) origin(peer netip.Addr, hops iter.Seq[hop]) hop {
	origin, count := hop{address: peer}, 0
	for h := range hops {
		if !h.address.IsValid() {
			break
		}
		origin = h
		if count++; count == maxHops || !p.trusts(h.address) {
			break
		}
	}
	return origin
}

// xForwardedForHops yields the entries of the header lines from right to left.
func xForwardedForHops(lines []string) iter.Seq[hop] {
	return func(yield func(hop) bool) {
		for _, line := range slices.Backward(lines) {
			for more := true; more; {
				entry := line
				var comma int
				if comma = strings.LastIndexByte(line, ','); comma >= 0 {
					line, entry = line[:comma], line[comma+1:]
				}
				if more = comma >= 0; !yield(hop{address: parseNode(strings.Trim(entry, " \t"))}) {
					return
				}
			}
		}
	}
}

// forwardedHops yields the elements of the lines of a Forwarded header (RFC 7239) from right to left. A line with a
// syntax error yields one hop without an address and ends the sequence.
func forwardedHops(lines []string) iter.Seq[hop] {
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

// parseForwarded parses one line of a Forwarded header. ok is false if the line has a syntax error.
func parseForwarded(line string) (hops []hop, ok bool) {
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

// tokenLength returns the length of the token (RFC 9110) at the start of text.
func tokenLength(text string) int {
	for i := range len(text) {
		c := text[i]
		if ('a' > c || c > 'z') && ('A' > c || c > 'Z') && ('0' > c || c > '9') &&
			!strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return i
		}
	}
	return len(text)
}

// tokenOrQuoted parses the token or quoted string at the start of text and returns its value and the text after it.
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

// parseNode parses an address with or without a port. The result is invalid if the node is "unknown", obfuscated or
// malformed.
func parseNode(text string) netip.Addr {
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		host, _, splitErr := net.SplitHostPort(text)
		if splitErr != nil {
			return netip.Addr{}
		}
		if address, err = netip.ParseAddr(host); err != nil {
			return netip.Addr{}
		}
	}
	return address.Unmap().WithZone("")
}

// lastValue returns the last value of a header of comma-separated values. The nearest proxy wrote it.
func lastValue(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.Trim(line[strings.LastIndexByte(line, ',')+1:], " \t")
}

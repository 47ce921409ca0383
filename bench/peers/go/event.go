package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// An event as the contract has it; pointers where a field may be absent.
type event struct {
	Endpoint   *string         `json:"endpoint"`
	Service    *string         `json:"service"`
	Status     *int            `json:"status"`
	DurationMs *float64        `json:"duration_ms"`
	UserID     json.RawMessage `json:"user_id"`
	Timestamp  json.RawMessage `json:"timestamp"`
}

const (
	minuteMs      = 60_000
	latenessMs    = 48 * 60 * minuteMs
	aheadMs       = 10 * minuteMs
	durationMsMax = 86_400_000
)

type series struct {
	service, endpoint string
}

// An accepted event: where and as what it counts.
type accepted struct {
	window     int64
	series     series
	status     int // -1: unknown
	durationUs int64 // -1: none
	user       string // empty: none
}

func accept(raw []byte, arrivalMs int64) (accepted, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return accepted{}, err
	}
	a := accepted{status: -1, durationUs: -1, series: series{"default", "unknown"}}
	if e.Service != nil {
		if len(*e.Service) < 1 || len(*e.Service) > 128 {
			return a, errors.New("service")
		}
		a.series.service = strings.ReplaceAll(*e.Service, "#", "%23")
	}
	if e.Endpoint != nil {
		if len(*e.Endpoint) < 1 || len(*e.Endpoint) > 256 {
			return a, errors.New("endpoint")
		}
		a.series.endpoint = normal(*e.Endpoint)
	}
	if e.Status != nil {
		if *e.Status < 0 || *e.Status > 999 {
			return a, errors.New("status")
		}
		a.status = *e.Status
	}
	if e.DurationMs != nil {
		if *e.DurationMs < 0 || *e.DurationMs > durationMsMax {
			return a, errors.New("duration_ms")
		}
		a.durationUs = int64(math.Round(*e.DurationMs * 1000))
	}
	var err error
	if a.user, err = user(e.UserID); err != nil {
		return a, err
	}
	at, err := instant(e.Timestamp, arrivalMs)
	if err != nil {
		return a, err
	}
	if at < arrivalMs-latenessMs || at > arrivalMs+aheadMs {
		return a, errors.New("timestamp")
	}
	a.window = at - at%minuteMs
	return a, nil
}

func user(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "", nil
	}
	if raw[0] != '"' {
		if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
			return "", errors.New("user_id")
		}
		return string(raw), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || len(text) < 1 || len(text) > 256 {
		return "", errors.New("user_id")
	}
	return text, nil
}

func instant(raw json.RawMessage, otherwise int64) (int64, error) {
	if raw == nil {
		return otherwise, nil
	}
	if raw[0] != '"' {
		return strconv.ParseInt(string(raw), 10, 64)
	}
	at, err := time.Parse(time.RFC3339Nano, string(raw[1:len(raw)-1]))
	return at.UnixMilli(), err
}

// normal names identifiers in a path {id}.
func normal(endpoint string) string {
	if !strings.HasPrefix(endpoint, "/") {
		return endpoint
	}
	if end := strings.IndexAny(endpoint, "?#"); end >= 0 {
		endpoint = endpoint[:end]
	}
	segments := strings.Split(endpoint[1:], "/")
	for at, segment := range segments {
		if isIdentifier(segment) {
			segments[at] = "{id}"
		}
	}
	return "/" + strings.Join(segments, "/")
}

func isIdentifier(segment string) bool {
	digits, hex, dashes := 0, 0, 0
	for at := range len(segment) {
		switch b := segment[at]; {
		case b >= '0' && b <= '9':
			digits++
			hex++
		case b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F':
			hex++
		case b == '-' && (at == 8 || at == 13 || at == 18 || at == 23):
			dashes++
		}
	}
	length := len(segment)
	return digits > 0 && digits == length ||
		length == 36 && dashes == 4 && hex == 32 ||
		hex == length && digits > 0 && length >= 16
}

// events cuts a payload into its events: one object, an array, or one a line.
func events(payload []byte, each func(raw []byte)) error {
	text := bytes.TrimSpace(payload)
	if len(text) > 0 && text[0] == '[' {
		var all []json.RawMessage
		if err := json.Unmarshal(text, &all); err != nil {
			return err
		}
		for _, raw := range all {
			each(raw)
		}
		return nil
	}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			each(line)
		}
	}
	return nil
}

package main

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

type url struct {
	Body            string `json:"body"`
	IsBase64Encoded bool   `json:"isBase64Encoded"`
}

type burstEvent struct {
	Endpoint   *string  `json:"endpoint"`
	Status     *int     `json:"status"`
	DurationMs *float64 `json:"duration_ms"`
	UserID     *string  `json:"user_id"`
}

type summary struct {
	TotalEvents   int               `json:"total_events"`
	UniqueUsers   int               `json:"unique_users"`
	P95DurationMs *float64          `json:"p95_duration_ms"`
	TopEndpoints  [][2]any          `json:"top_endpoints"`
	StatusCounts  map[string]uint64 `json:"status_counts"`
	ComputeMs     float64           `json:"compute_ms"`
}

// burst summarises a JSON array of events in the body of a Function URL's request.
func burst(payload []byte) ([]byte, error) {
	begun := time.Now()
	var request url
	if err := json.Unmarshal(payload, &request); err != nil {
		return nil, err
	}
	body := []byte(request.Body)
	if request.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(request.Body)
		if err != nil {
			return nil, err
		}
		body = decoded
	}
	var all []burstEvent
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	s := summarise(all)
	s.ComputeMs = float64(time.Since(begun).Microseconds()) / 1000
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"statusCode": 200,
		"headers":    map[string]string{"content-type": "application/json"},
		"body":       string(text),
	})
}

func summarise(all []burstEvent) summary {
	users := map[string]struct{}{}
	endpoints := map[string]uint64{}
	statuses := map[string]uint64{}
	var durations []float64
	for _, e := range all {
		endpoint, status := "unknown", "unknown"
		if e.Endpoint != nil {
			endpoint = *e.Endpoint
		}
		if e.Status != nil {
			status = strconv.Itoa(*e.Status)
		}
		endpoints[endpoint]++
		statuses[status]++
		if e.DurationMs != nil {
			durations = append(durations, *e.DurationMs)
		}
		if e.UserID != nil {
			users[*e.UserID] = struct{}{}
		}
	}
	s := summary{TotalEvents: len(all), UniqueUsers: len(users), StatusCounts: statuses, TopEndpoints: [][2]any{}}
	if len(durations) > 0 {
		slices.Sort(durations)
		p95 := durations[int(math.Floor(0.95*float64(len(durations)-1)))]
		s.P95DurationMs = &p95
	}
	for endpoint, count := range endpoints {
		s.TopEndpoints = append(s.TopEndpoints, [2]any{endpoint, count})
	}
	slices.SortFunc(s.TopEndpoints, func(a, b [2]any) int {
		if more := int(b[1].(uint64)) - int(a[1].(uint64)); more != 0 {
			return more
		}
		return strings.Compare(a[0].(string), b[0].(string))
	})
	s.TopEndpoints = s.TopEndpoints[:min(5, len(s.TopEndpoints))]
	return s
}

package main

import (
	"hash/fnv"
	"math"
)

// A rollup of one series in one window. Users are a set of hashes: in a batch a sketch costs about the same.
type rollup struct {
	statuses map[int]uint64
	bins     map[int32]uint64
	sumUs    int64
	minUs    int64
	maxUs    int64
	users    map[uint64]struct{}
}

type key struct {
	window int64
	series series
}

type rollups map[key]*rollup

// Scale 5 of an OpenTelemetry exponential histogram.
const binsADoubling = 32

func (all rollups) add(a accepted) {
	k := key{a.window, a.series}
	r := all[k]
	if r == nil {
		r = &rollup{statuses: map[int]uint64{}, bins: map[int32]uint64{}, minUs: math.MaxInt64, users: map[uint64]struct{}{}}
		all[k] = r
	}
	r.statuses[a.status]++
	if us := a.durationUs; us >= 0 {
		bin := int32(math.MinInt32)
		if us > 0 {
			bin = int32(math.Ceil(math.Log2(float64(us))*binsADoubling)) - 1
		}
		r.bins[bin]++
		r.sumUs += us
		r.minUs = min(r.minUs, us)
		r.maxUs = max(r.maxUs, us)
	}
	if a.user != "" {
		h := fnv.New64a()
		h.Write([]byte(a.user))
		r.users[h.Sum64()] = struct{}{}
	}
}

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"strconv"
)

type kinesisBatch struct {
	Records []struct {
		Kinesis struct {
			Data           []byte  `json:"data"` // base64 by encoding/json
			SequenceNumber string  `json:"sequenceNumber"`
			Arrival        float64 `json:"approximateArrivalTimestamp"`
		} `json:"kinesis"`
		EventID        string `json:"eventID"`
		EventSourceARN string `json:"eventSourceARN"`
	}
}

type sqsBatch struct {
	Records []struct {
		MessageID  string `json:"messageId"`
		Body       string `json:"body"`
		Attributes struct {
			SentTimestamp string
		} `json:"attributes"`
	}
}

// count adds a payload's events; what is rejected is counted only.
type count struct {
	rollups  rollups
	events   uint64
	rejected uint64
}

func (c *count) payload(payload []byte, arrivalMs int64) {
	if bytes.HasPrefix(payload, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(bytes.NewReader(payload))
		if err == nil {
			payload, err = io.ReadAll(unpacked)
		}
		if err != nil {
			c.rejected++
			return
		}
	}
	err := events(payload, func(raw []byte) {
		a, err := accept(raw, arrivalMs)
		if err != nil {
			c.rejected++
			return
		}
		c.events++
		c.rollups.add(a)
	})
	if err != nil {
		c.rejected++
	}
}

func (c *count) answer() ([]byte, error) {
	return json.Marshal(map[string]any{"events": c.events, "rejected": c.rejected, "series": len(c.rollups)})
}

func kinesis(payload []byte) ([]byte, error) {
	var batch kinesisBatch
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, err
	}
	c := count{rollups: rollups{}}
	for _, record := range batch.Records {
		c.payload(record.Kinesis.Data, int64(math.Round(record.Kinesis.Arrival*1000)))
	}
	return c.answer()
}

func sqs(payload []byte) ([]byte, error) {
	var batch sqsBatch
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, err
	}
	c := count{rollups: rollups{}}
	for _, message := range batch.Records {
		sent, err := strconv.ParseInt(message.Attributes.SentTimestamp, 10, 64)
		if err != nil {
			return nil, err
		}
		body := []byte(message.Body)
		if bytes.HasPrefix(body, []byte("H4sI")) {
			if body, err = base64.StdEncoding.DecodeString(message.Body); err != nil {
				body = []byte(message.Body)
			}
		}
		c.payload(body, sent)
	}
	return c.answer()
}

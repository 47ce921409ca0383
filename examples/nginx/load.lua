-- What wrk asks for: weight, Host, path. Numbers, UUIDs and digests in paths become `{id}` in weir, and queries go.
local random = math.random

local function hex(digits)
  return (("x"):rep(digits):gsub("x", function() return ("%x"):format(random(0, 15)) end))
end

local function uuid()
  return table.concat({ hex(8), hex(4), hex(4), hex(4), hex(12) }, "-")
end

local mix = {
  { 10, "shop", function() return "/" end },
  { 25, "shop", function() return "/products/" .. random(9999) .. "/picture" end },
  { 10, "shop", function() return "/pixel.gif" end },
  { 3, "shop", function() return "/old" end },
  { 4, "shop", function() return "/no/such/page" end },
  { 5, "api", function() return "/health" end },
  { 20, "api", function() return "/users/" .. random(9999) .. "/avatar" end },
  { 10, "api", function() return "/users/" .. random(9999) .. "/badges/" .. random(99) end },
  { 4, "api", function() return "/objects/" .. uuid() end },
  { 4, "api", function() return "/objects/1" .. hex(31) end },
  { 3, "api", function() return "/broken" end },
  { 2, "api", function() return "/reports" end },
}

local total = 0
for _, entry in ipairs(mix) do total = total + entry[1] end

function request()
  local left = random(total)
  for _, entry in ipairs(mix) do
    left = left - entry[1]
    if left <= 0 then
      local path = entry[3]()
      if random(10) > 1 then path = path .. "?user=u" .. random(3000) end
      return wrk.format("GET", path, { Host = entry[2] })
    end
  end
end

-- Milliseconds before a connection asks again: bounds the load to some 10,000 requests a second at 8 connections.
function delay()
  return random(0, 1)
end

-- Requests of twelve fields each; no two of the first thousand have a line in common.
local requests = {}
local count = 0

local function value()
   local text = {}
   for place = 1, 36 do text[place] = string.format("%x", math.random(0, 15)) end
   return table.concat(text)
end

function init()
   math.randomseed(12)
   for number = 1, 1000 do
      local fields = { Host = "shop" .. number .. ".example.com" }
      for letter in ("ABCDEFGHIJK"):gmatch(".") do fields["X-Field-" .. letter] = value() end
      requests[number] = wrk.format("GET", "/?" .. number, fields)
   end
end

function request()
   count = count % #requests + 1
   return requests[count]
end

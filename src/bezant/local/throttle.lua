-- Refuse at the gateway what the service behind it would refuse, so that refusals cost the service little.
--
-- The adaptive throttling of Beyer et al., "Site Reliability Engineering" (2016), chapter 21, for each API key: of what
-- a key asks for, what exceeds a multiple of what was taken lately is refused here. A key that is not refused by its
-- service never meets this. Counts fade, so that it ends soon after the overload does.
--
-- Each worker thread of the gateway counts for itself. TAKEN_MULTIPLE and STATUSES (by reason) are put in front of this text.

local HALF_LIFE_MS = 150
local OVER_MS = 300 -- without a refusal by the service: more goes on to it than it takes, so that it would have
local WATCHED_MS = 5000
local MOST_KEYS = 10000
local FIRST_TAKEN = 50
local MOST_REFUSED = 0.95 -- what is let through is how the end of the overload is found
local NAMESPACE = "bezant.throttle"

local keys = {}
local count = 0
local watching_until = 0

local function forget_idle(now)
  for key, seen in pairs(keys) do
    if now - seen.at > WATCHED_MS then
      keys[key] = nil
      count = count - 1
    end
  end
end

local function faded(seen, now)
  local passed = now - seen.at
  if passed > 0 then
    local factor = 0.5 ^ (passed / HALF_LIFE_MS)
    seen.asked = seen.asked * factor
    seen.taken = seen.taken * factor
    seen.at = now
  end
  return seen
end

function envoy_on_request(handle)
  if watching_until == 0 then
    return
  end
  local now = handle:timestamp()
  if now > watching_until then
    watching_until = 0
    keys = {}
    count = 0
    return
  end
  local key = handle:headers():get("authorization")
  if key == nil then
    return
  end
  local seen = keys[key]
  if seen ~= nil and now - seen.refused_at > OVER_MS then
    keys[key] = nil
    count = count - 1
    seen = nil
  end
  if seen ~= nil then
    faded(seen, now)
    seen.asked = seen.asked + 1
    local refused = (seen.asked - TAKEN_MULTIPLE * seen.taken) / (seen.asked + 1)
    if refused > 0 and math.random() < math.min(refused, MOST_REFUSED) then
      -- the reply's mapper finds this note, and makes the headers and the body
      handle:streamInfo():dynamicMetadata():set(NAMESPACE, "refused", seen.reason)
      handle:respond({[":status"] = STATUSES[seen.reason]}, "")
      return
    end
    -- taken until the service says otherwise
    seen.taken = seen.taken + 1
    handle:streamInfo():dynamicMetadata():set(NAMESPACE, "counted", "yes")
  end
  handle:streamInfo():dynamicMetadata():set(NAMESPACE, "key", key)
end

function envoy_on_response(handle)
  local reason = handle:headers():get("x-bezant-refused")
  if reason == nil then
    return
  end
  handle:headers():remove("x-bezant-refused")
  local now = handle:timestamp()
  watching_until = now + WATCHED_MS
  local noted = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  if noted == nil or noted["key"] == nil or STATUSES[reason] == nil then
    return
  end
  local key = noted["key"]
  local seen = keys[key]
  if seen == nil then
    if count >= MOST_KEYS then
      forget_idle(now)
      if count >= MOST_KEYS then
        return
      end
    end
    -- as if much had been taken before: one refusal alone throttles nobody
    keys[key] = {asked = FIRST_TAKEN + 1, taken = FIRST_TAKEN, at = now, refused_at = now, reason = reason}
    count = count + 1
    return
  end
  faded(seen, now)
  seen.refused_at = now
  if noted["counted"] ~= nil then
    seen.taken = math.max(0, seen.taken - 1)
  else
    seen.asked = seen.asked + 1
  end
  seen.reason = reason
end

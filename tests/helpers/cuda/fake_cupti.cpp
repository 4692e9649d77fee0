// SPDX-License-Identifier: Apache-2.0
// A CUPTI without a driver: what the real one exports, for tests that open it by path. Records are those that a test puts in;
// a flush hands them over in buffers that it asks for, as the real one does.
#include <cupti.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

struct state {
    CUpti_BuffersCallbackRequestFunc wanted = nullptr;
    CUpti_BuffersCallbackCompleteFunc full = nullptr;
    std::vector<std::vector<std::uint8_t>> records;
    std::size_t dropped = 0, bytes_a_buffer = SIZE_MAX;
    CUptiResult enables_with = CUPTI_SUCCESS;
    int enabled = 0;
} fake;

std::size_t bytes_of(CUpti_ActivityKind kind) {
    return kind == CUPTI_ACTIVITY_KIND_MEMCPY            ? sizeof(CUpti_ActivityMemcpy5) + 16  // as a later version's
           : kind == CUPTI_ACTIVITY_KIND_SYNCHRONIZATION ? sizeof(CUpti_ActivitySynchronization)
           : kind == CUPTI_ACTIVITY_KIND_RUNTIME         ? sizeof(CUpti_ActivityAPI)
                                                         : 64;
}

template <class Record>
void add(const Record& r) {
    std::vector<std::uint8_t> bytes(bytes_of(r.kind));
    std::memcpy(bytes.data(), &r, std::min(sizeof r, bytes.size()));
    fake.records.push_back(std::move(bytes));
}

}  // namespace

extern "C" {

// For tests.
void fake_cupti_copy(int kind, std::uint64_t bytes, std::uint32_t device) {
    CUpti_ActivityMemcpy5 r{};
    r.kind = CUPTI_ACTIVITY_KIND_MEMCPY;
    r.copyKind = static_cast<std::uint8_t>(kind);
    r.bytes = bytes;
    r.deviceId = device;
    add(r);
}
void fake_cupti_sync(int type, std::uint32_t context, std::uint32_t call) {
    CUpti_ActivitySynchronization r{};
    r.kind = CUPTI_ACTIVITY_KIND_SYNCHRONIZATION;
    r.type = static_cast<CUpti_ActivitySynchronizationType>(type);
    r.contextId = context;
    r.correlationId = call;
    add(r);
}
void fake_cupti_call(std::uint32_t function, std::uint32_t call) {
    CUpti_ActivityAPI r{};
    r.kind = CUPTI_ACTIVITY_KIND_RUNTIME;
    r.cbid = function;
    r.correlationId = call;
    add(r);
}
void fake_cupti_other() {
    std::vector<std::uint8_t> bytes(64, 0xff);
    const CUpti_ActivityKind kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
    std::memcpy(bytes.data(), &kind, sizeof kind);
    fake.records.push_back(std::move(bytes));
}
void fake_cupti_set(std::size_t dropped, std::size_t bytes_a_buffer, int enables_with) {
    fake.dropped = dropped;
    fake.bytes_a_buffer = bytes_a_buffer;
    fake.enables_with = static_cast<CUptiResult>(enables_with);
}
int fake_cupti_enabled() {
    return fake.enabled;
}

CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc wanted,
                                           CUpti_BuffersCallbackCompleteFunc full) {
    fake.wanted = wanted;
    fake.full = full;
    return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityEnable(CUpti_ActivityKind) {
    if (fake.enables_with == CUPTI_SUCCESS) ++fake.enabled;
    return fake.enables_with;
}
CUptiResult cuptiActivityDisable(CUpti_ActivityKind) {
    --fake.enabled;
    return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityFlushAll(std::uint32_t) {
    while (!fake.records.empty()) {
        std::uint8_t* buffer = nullptr;
        std::size_t bytes = 0, most = 1;
        fake.wanted(&buffer, &bytes, &most);
        if (buffer == nullptr || most != 0 || reinterpret_cast<std::uintptr_t>(buffer) % ACTIVITY_RECORD_ALIGNMENT != 0)
            return CUPTI_ERROR_INVALID_PARAMETER;
        std::size_t used = 0, taken = 0;
        for (const auto& r : fake.records) {
            if (used + r.size() > std::min(bytes, fake.bytes_a_buffer)) break;
            std::memcpy(buffer + used, r.data(), r.size());
            used += r.size();
            ++taken;
        }
        fake.records.erase(fake.records.begin(), fake.records.begin() + static_cast<std::ptrdiff_t>(taken));
        fake.full(nullptr, 0, buffer, bytes, used);
        if (taken == 0) return CUPTI_ERROR_UNKNOWN;
    }
    return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNextRecord(std::uint8_t* buffer, std::size_t valid, CUpti_Activity** record) {
    std::uint8_t* next = buffer;
    if (*record != nullptr) next = reinterpret_cast<std::uint8_t*>(*record) + bytes_of((*record)->kind);
    if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
    *record = reinterpret_cast<CUpti_Activity*>(next);
    return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext, std::uint32_t, std::size_t* dropped) {
    *dropped = fake.dropped;
    fake.dropped = 0;
    return CUPTI_SUCCESS;
}
CUptiResult cuptiGetContextId(CUcontext context, std::uint32_t* id) {
    if (context == nullptr) return CUPTI_ERROR_INVALID_CONTEXT;
    *id = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(context));
    return CUPTI_SUCCESS;
}
CUptiResult cuptiGetResultString(CUptiResult, const char** text) {
    *text = "CUPTI_ERROR_OF_THE_TEST";
    return CUPTI_SUCCESS;
}

}  // extern "C"

// SPDX-License-Identifier: Apache-2.0
#if __has_include(<cupti.h>)
#include "device/cuda/cupti.hpp"

#include "core/try.hpp"

#include <cuda_runtime_api.h>
#include <cupti.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <atomic>
#include <new>
#include <utility>

namespace faceflow::internal {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr std::align_val_t record_alignment{ACTIVITY_RECORD_ALIGNMENT};

// Later versions append fields to these records.
#if CUDART_VERSION >= 13000
using copy_record = CUpti_ActivityMemcpy6;
using sync_record = CUpti_ActivitySynchronization2;
#else
using copy_record = CUpti_ActivityMemcpy5;
using sync_record = CUpti_ActivitySynchronization;
#endif

constexpr CUpti_ActivityKind kinds[] = {CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_SYNCHRONIZATION,
                                        CUPTI_ACTIVITY_KIND_RUNTIME};

// A limit for unmatched records: the two records of a call are closer together than this many calls of its kind.
// Correlation ids grow.
constexpr std::size_t max_unmatched = 1 << 16;

bool asks(CUpti_CallbackId call) {
    return call == CUPTI_RUNTIME_TRACE_CBID_cudaEventQuery_v3020 ||
           call == CUPTI_RUNTIME_TRACE_CBID_cudaStreamQuery_v3020 ||
           call == CUPTI_RUNTIME_TRACE_CBID_cudaStreamQuery_ptsz_v7000;
}

bool waits(CUpti_CallbackId call) {
    return call == CUPTI_RUNTIME_TRACE_CBID_cudaEventSynchronize_v3020 ||
           call == CUPTI_RUNTIME_TRACE_CBID_cudaStreamSynchronize_v3020 ||
           call == CUPTI_RUNTIME_TRACE_CBID_cudaStreamSynchronize_ptsz_v7000 ||
           call == CUPTI_RUNTIME_TRACE_CBID_cudaDeviceSynchronize_v3020;
}

// The process's recorder during its lifetime: CUPTI callbacks carry no argument through which to find it.
constinit std::atomic<cupti*> listening{nullptr};

// Holds the single recorder; function-local so that nothing runs before main.
struct the_one {
    std::mutex mutex;
    std::weak_ptr<cupti> recorder;
};
the_one& only() {
    static the_one one;
    return one;
}

}  // namespace

struct cupti::functions {
    explicit functions(void* opened) : library(opened) {}

    template <class F>
    bool find(F& into, const char* name) const {
        into = reinterpret_cast<F>(::dlsym(library, name));
        return into != nullptr;
    }
    bool find_all() {
        return find(register_callbacks, "cuptiActivityRegisterCallbacks") && find(enable, "cuptiActivityEnable") &&
               find(disable, "cuptiActivityDisable") && find(flush, "cuptiActivityFlushAll") &&
               find(next, "cuptiActivityGetNextRecord") && find(dropped, "cuptiActivityGetNumDroppedRecords") &&
               find(context_id, "cuptiGetContextId") && find(text_of, "cuptiGetResultString");
    }

    void* const library;  // never closed: CUPTI stays attached to the driver until the process ends
    decltype(&cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
    decltype(&cuptiActivityEnable) enable = nullptr;
    decltype(&cuptiActivityDisable) disable = nullptr;
    decltype(&cuptiActivityFlushAll) flush = nullptr;
    decltype(&cuptiActivityGetNextRecord) next = nullptr;
    decltype(&cuptiActivityGetNumDroppedRecords) dropped = nullptr;
    decltype(&cuptiGetContextId) context_id = nullptr;
    decltype(&cuptiGetResultString) text_of = nullptr;
};

std::vector<std::string> cupti::usual_libraries() {
    const std::string own = fmt::format("libcupti.so.{}", CUDART_VERSION / 1000);
    std::vector<std::string> all{own, "libcupti.so.13", "libcupti.so.12", "libcupti.so"};
    for (const char* folder : {"/usr/local/cuda/extras/CUPTI/lib64/", "/usr/local/cuda/lib64/"})
        all.push_back(folder + own);
    return all;
}

result<std::shared_ptr<cupti>> cupti::open(std::span<const std::string> libraries) {
    the_one& one = only();
    const std::lock_guard lock(one.mutex);
    if (auto there = one.recorder.lock()) return there;
    for (const std::string& name : libraries) {
        void* const library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) continue;
        auto found = std::make_unique<functions>(library);
        if (!found->find_all())
            return fail(errc::unavailable, fmt::format("{} is no CUPTI: functions are missing", name));
        auto made = std::shared_ptr<cupti>(new cupti(std::move(found)));
        FACEFLOW_TRY(made->start());
        one.recorder = made;
        return made;
    }
    return fail(
        errc::unavailable,
        fmt::format("the driver's own counts need CUPTI ({}), which is not found: install the CUDA toolkit's package "
                    "for it (cuda-cupti), or put the folder extras/CUPTI/lib64 of the toolkit on LD_LIBRARY_PATH",
                    libraries.empty() ? std::string("libcupti.so") : libraries.front()));
}

cupti::cupti(std::unique_ptr<functions> f) : call_(std::move(f)) {}

cupti::~cupti() {
    if (recording_) {
        for (const CUpti_ActivityKind kind : kinds)
            call_->disable(kind);
        call_->flush(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    }
    listening.store(nullptr);
}

error cupti::failed(const char* call, int status) const {
    const char* text = nullptr;
    if (call_->text_of(static_cast<CUptiResult>(status), &text) != CUPTI_SUCCESS) text = nullptr;
    return {errc::unavailable,
            fmt::format(
                "CUPTI does not count: {} failed with {} ({}); its version must be one that the driver serves, and no "
                "other profiler may be attached",
                call, text != nullptr ? text : "a status without a name", status)};
}

result<void> cupti::start() {
    listening.store(this);
    if (const CUptiResult s = call_->register_callbacks(on_buffer_wanted, on_buffer_full); s != CUPTI_SUCCESS)
        return tl::unexpected(failed("cuptiActivityRegisterCallbacks", s));
    recording_ = true;
    for (const CUpti_ActivityKind kind : kinds) {
        if (const CUptiResult s = call_->enable(kind); s != CUPTI_SUCCESS)
            return tl::unexpected(failed("cuptiActivityEnable", s));
    }
    return {};
}

result<std::uint32_t> cupti::id_of(CUcontext context) const {
    std::uint32_t id = 0;
    if (const CUptiResult s = call_->context_id(context, &id); s != CUPTI_SUCCESS)
        return tl::unexpected(failed("cuptiGetContextId", s));
    return id;
}

transfer_totals cupti::seen(std::uint32_t device, std::uint32_t context) {
    const bool flushed = call_->flush(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED) == CUPTI_SUCCESS;
    count_dropped();
    const std::lock_guard lock(mutex_);
    if (!flushed) ++lost_;
    transfer_totals c;
    if (const auto at = by_device_.find(device); at != by_device_.end()) c = at->second;
    if (const auto at = syncs_by_context_.find(context); at != syncs_by_context_.end()) c.syncs = at->second;
    c.unknown += lost_;
    return c;
}

void cupti::count_dropped() {
    std::size_t dropped = 0;
    if (call_->dropped(nullptr, 0, &dropped) != CUPTI_SUCCESS) return;
    const std::lock_guard lock(mutex_);
    lost_ += dropped;
}

void cupti::on_buffer_wanted(std::uint8_t** buffer, std::size_t* bytes, std::size_t* max_records) {
    *max_records = 0;  // as many as fit
    *bytes = buffer_bytes;
    *buffer = listening.load() == nullptr
                  ? nullptr
                  : static_cast<std::uint8_t*>(::operator new(buffer_bytes, record_alignment, std::nothrow));
}

void cupti::on_buffer_full(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t valid) {
    if (cupti* const recorder = listening.load(); recorder != nullptr && valid > 0) recorder->read(buffer, valid);
    ::operator delete(buffer, record_alignment);
}

void cupti::read(std::uint8_t* buffer, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    CUpti_Activity* record = nullptr;
    while (call_->next(buffer, bytes, &record) == CUPTI_SUCCESS) {
        if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
            const auto& copy = *reinterpret_cast<const copy_record*>(record);
            transfer_totals& of = by_device_[copy.deviceId];
            if (copy.copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_HTOD) {
                of.up = {of.up.count + 1, of.up.bytes + copy.bytes};
            } else if (copy.copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_DTOH) {
                of.down = {of.down.count + 1, of.down.bytes + copy.bytes};
            } else if (copy.copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_UNKNOWN) {
                ++of.unknown;
            }
        } else if (record->kind == CUPTI_ACTIVITY_KIND_SYNCHRONIZATION) {
            const auto& sync = *reinterpret_cast<const sync_record*>(record);
            // A stream that waits for an event does not block the host.
            if (sync.type != CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_WAIT_EVENT)
                waited(sync.correlationId, sync.contextId);
        } else if (record->kind == CUPTI_ACTIVITY_KIND_RUNTIME) {
            const auto& call = *reinterpret_cast<const CUpti_ActivityAPI*>(record);
            called(call.correlationId, call.cbid);
        }
    }
}

// CUPTI records a query of an event just like a wait for it, and a library's direct driver call just like a runtime
// call. The runtime's record of the call, which may come before or after, tells them apart; for a driver call it never
// comes.
void cupti::waited(std::uint32_t call, std::uint32_t context) {
    if (calls_.erase(call) > 0) {
        ++syncs_by_context_[context];
    } else {
        waits_.emplace(call, context);
        if (waits_.size() > max_unmatched) waits_.erase(waits_.begin());
    }
}

void cupti::called(std::uint32_t call, std::uint32_t function) {
    if (const auto at = waits_.find(call); at != waits_.end()) {
        if (!asks(function)) ++syncs_by_context_[at->second];
        waits_.erase(at);
    } else if (waits(function)) {
        calls_.insert(call);
        if (calls_.size() > max_unmatched) calls_.erase(calls_.begin());
    }
}

}  // namespace faceflow::internal

#endif

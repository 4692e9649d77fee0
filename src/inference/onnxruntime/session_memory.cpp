// SPDX-License-Identifier: Apache-2.0
#include "inference/onnxruntime/session_memory.hpp"

#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>

#include <stdexcept>
#include <utility>

#include "core/try.hpp"
#include "inference/onnxruntime/library.hpp"

namespace faceflow::internal::inference {
namespace {

// Sizes are rounded up, so that similar requests can share blocks.
std::size_t rounded(std::size_t bytes) {
    const std::size_t step = bytes < (std::size_t{1} << 20) ? 512 : std::size_t{256} << 10;
    return (bytes + step - 1) / step * step;
}

thread_local session_memory* of_this_thread = nullptr;

}  // namespace

session_memory::~session_memory() {
    const std::lock_guard lock(mutex_);
    release_kept();
}

result<std::byte*> session_memory::allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto taken = take(rounded(bytes));
    if (!taken) refusal_ = taken.error();
    return taken;
}

result<std::byte*> session_memory::take(std::size_t bytes) {
    if (std::byte* kept = take_kept(bytes)) return kept;
    auto made = take_new(bytes);
    if (!made && made.error().code == errc::out_of_memory && !kept_.empty()) {
        release_kept();
        made = take_new(bytes);
    }
    return made;
}

std::byte* session_memory::take_kept(std::size_t bytes) {
    const auto at = kept_.lower_bound(bytes);
    if (at == kept_.end() || at->first > 2 * bytes) return nullptr;  // a much larger block is better used elsewhere
    std::byte* const memory = at->second.data();
    used_.emplace(memory, std::move(at->second));
    kept_.erase(at);
    return memory;
}

result<std::byte*> session_memory::take_new(std::size_t bytes) {
    FACEFLOW_ASSIGN(auto buffer, device_buffer::allocate(owner().pool(), bytes));
    std::byte* const memory = buffer.data();
    used_.emplace(memory, std::move(buffer));
    bytes_ += bytes;
    return memory;
}

void session_memory::give_back(std::byte* memory) noexcept {
    const std::lock_guard lock(mutex_);
    const auto at = used_.find(memory);
    if (at == used_.end()) return;
    const std::size_t bytes = at->second.bytes();
    kept_.emplace(bytes, std::move(at->second));
    used_.erase(at);
}

void session_memory::release_kept() {
    if (kept_.empty()) return;
    auto done = owner().make_event();
    if (!done) return;  // the device has failed, and keeps its memory
    stream_.record(**done);
    if (!wait_until_done(owner(), **done, {stage::landmark, {}})) return;
    for (const auto& block : kept_)
        bytes_ -= block.first;
    kept_.clear();
}

std::optional<error> session_memory::take_refusal() {
    const std::lock_guard lock(mutex_);
    return std::exchange(refusal_, std::nullopt);
}

std::size_t session_memory::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

memory_scope::memory_scope(session_memory* of) noexcept : before_(std::exchange(of_this_thread, of)) {}
memory_scope::~memory_scope() {
    of_this_thread = before_;
}

namespace {

// Forwards requests to the session that runs on the calling thread, and returned memory to the session it came from, on
// any thread. Refuses by exception, like ONNX Runtime's own device allocators.
class routing_allocator : public OrtAllocator {
public:
    explicit routing_allocator(int index)
        : OrtAllocator{},
          info_("Cuda", OrtDeviceAllocator, index, OrtMemTypeDefault) {
        version = ORT_API_VERSION;
        Alloc = [](OrtAllocator* self, std::size_t bytes) {
            return static_cast<routing_allocator*>(self)->take(bytes);
        };
        Reserve = Alloc;
        Free = [](OrtAllocator* self, void* memory) { static_cast<routing_allocator*>(self)->give_back(memory); };
        Info = [](const OrtAllocator* self) -> const OrtMemoryInfo* {
            return static_cast<const routing_allocator*>(self)->info_;
        };
    }
    [[nodiscard]] const OrtMemoryInfo* info() const { return info_; }

private:
    void* take(std::size_t bytes) {
        if (bytes == 0) return nullptr;
        session_memory* const from = of_this_thread;
        if (from == nullptr) throw std::logic_error("device memory was asked for on a thread that runs no session");
        const auto memory = from->allocate(bytes);
        if (!memory) throw std::runtime_error(memory.error().message);
        const std::lock_guard lock(mutex_);
        owners_[*memory] = from;
        return *memory;
    }
    void give_back(void* memory) {
        if (memory == nullptr) return;
        session_memory* from = nullptr;
        {
            const std::lock_guard lock(mutex_);
            const auto at = owners_.find(memory);
            if (at == owners_.end()) return;
            from = at->second;
            owners_.erase(at);
        }
        from->give_back(static_cast<std::byte*>(memory));
    }

    const Ort::MemoryInfo info_;
    std::mutex mutex_;
    std::unordered_map<void*, session_memory*> owners_;
};

// Shared by the process, as long as something holds them.
std::mutex shared_mutex;
std::weak_ptr<environment_allocators> shared;

}  // namespace

struct environment_allocators::impl {
    std::mutex mutex;
    // Keeps ONNX Runtime's environment alive; the first one created decides its options, and that is the runtime's.
    Ort::Env env{ORT_LOGGING_LEVEL_ERROR, "faceflow"};
    std::map<int, std::unique_ptr<routing_allocator>> by_device;
};

environment_allocators::environment_allocators(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

environment_allocators::~environment_allocators() {
    for (const auto& [index, allocator] : impl_->by_device) {
        try {
            impl_->env.UnregisterAllocator(allocator->info());
        } catch (const std::exception&) {
            static_cast<void>(impl_->by_device.find(index)->second.release());  // still registered there: leak it
        }
    }
}

result<std::shared_ptr<environment_allocators>> environment_allocators::get() {
    const std::lock_guard lock(shared_mutex);
    if (auto there = shared.lock()) return there;
    FACEFLOW_TRY(open_library());
    try {
        std::shared_ptr<environment_allocators> made(new environment_allocators(std::make_unique<impl>()));
        shared = made;
        return made;
    } catch (const std::exception& e) {
        return fail(errc::internal, fmt::format("ONNX Runtime's environment: {}", e.what()));
    }
}

result<void> environment_allocators::serve(int index) {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->by_device.contains(index)) return {};
    try {
        auto allocator = std::make_unique<routing_allocator>(index);
        impl_->env.RegisterAllocator(allocator.get());
        impl_->by_device.emplace(index, std::move(allocator));
        return {};
    } catch (const std::exception& e) {
        return fail(errc::internal,
                    fmt::format("ONNX Runtime does not accept an allocator for CUDA device {}: {}", index, e.what()));
    }
}

}  // namespace faceflow::internal::inference

// SPDX-License-Identifier: Apache-2.0
// Stages that work in memory shared by the owner: frames, faces, crops and results stay in place. A call only adds work
// to the stream, between waits for the semaphores of earlier stages and signals of its own, and is answered at once.
#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "core/try.hpp"
#include "device/stage_scope.hpp"
#include "flow/multi_process/shared_executor.hpp"
#include "frame/layout.hpp"

namespace faceflow::internal::flow {
namespace {

struct shared_slab {
    slab_facts facts;
    std::unique_ptr<memory_import> memory;
    std::map<std::uint32_t, std::uint64_t> generations;  // by slot, the newest generation that a call named
};

// The memory of one buffer, as mapped in this process.
struct mapped_buffers {
    std::byte* at = nullptr;
    std::optional<mesh_memory> mesh;
    std::uint64_t last_serial = 0;
};

class shared_executor final : public stage_executor {
public:
    shared_executor(stage_context& context, shared_pages& pages, std::optional<detector_memory> detector)
        : context_(context),
          pages_(pages),
          layout_(buffer_layout::of(context.shape())),
          detector_(std::move(detector)) {}

    result<void> map(const slab_facts& facts, unique_fd memory) override {
        if (facts.slots == 0 || facts.slot_bytes == 0 || facts.slot_bytes > facts.where.bytes / facts.slots)
            return fail(errc::corrupt, fmt::format("slab {} does not hold its {} slots", facts.number, facts.slots));
        FACEFLOW_ASSIGN(auto mapped,
                        context_.owner().import_memory({facts.where, std::move(memory)}, access::read_write));
        // Structs in slots need the alignment that the owner's pool guarantees.
        constexpr std::uint64_t step = capped_resource::alignment;
        if (facts.slot_bytes % step != 0 || reinterpret_cast<std::uintptr_t>(mapped->data()) % step != 0)
            return fail(errc::corrupt,
                        fmt::format("slots of slab {} do not begin at multiples of {}", facts.number, step));
        slabs_[facts.number] = {facts, std::move(mapped), {}};
        return {};
    }

    void unmap(std::uint32_t number) override {
        if (const auto at = slabs_.find(number); at != slabs_.end()) {
            (void)context_.wait({stage::capture, {}});  // waits for its last readers
            slabs_.erase(at);
        }
    }

    result<std::span<std::byte>> expect(const stage_call&, std::size_t) override {
        return fail(errc::corrupt, "a call about shared memory came with a payload");
    }

    result<stage_answer> perform(const stage_call& call, std::span<const vision::detection>) override {
        FACEFLOW_ASSIGN(auto buffer, buffers_of(call));
        FACEFLOW_ASSIGN(auto f, frame_of(call));
        FACEFLOW_ASSIGN(auto tracked, tracked_of(call));
        if (call.begins == 0 && tracked == nullptr)
            return fail(errc::corrupt, "a call follows the faces of the frame before, but names no slot for them");
        stream& s = context_.work_stream();
        FACEFLOW_TRY(forget_error(s));

        const stage_scope note({stage_of(context_.asked().role), f.id});
        wait_for_earlier(call);
        FACEFLOW_TRY(enqueue(call, *buffer, f, tracked));
        finish(call);
        // On a GPU, errors of adding work are known at once.
        if (!context_.owner().computes_on_host()) {
            FACEFLOW_TRY(s.take_error());
        }

        stage_answer a;
        a.reply.serial = call.serial;
        a.reply.frame = call.frame;
        a.reply.memory = call.memory;
        return a;
    }

private:
    // An error on the stream belongs to an earlier frame, whose owner sees that its work was not done: it is ignored,
    // unless the device is lost. The stream then goes on in the middle of such frames, so that none of those that are
    // still in its queue counts as done.
    result<void> forget_error(stream& s) {
        const std::lock_guard lock(errors_->mutex);
        auto before = s.take_error();
        if (!before) ++errors_->count;
        if (!before && before.error().code == errc::device_lost) return before;
        return {};
    }

    static stage stage_of(stage_role role) {
        return role == stage_role::landmark ? stage::landmark
               : role == stage_role::region ? stage::region
                                            : stage::detect;
    }

    // The slot's address; rejects slots that were not exported, and uses older than one already named.
    result<std::byte*> slot_at(const slot_name& name, std::size_t bytes) {
        const auto at = slabs_.find(name.slab);
        if (at == slabs_.end() || name.slot >= at->second.facts.slots || bytes > at->second.facts.slot_bytes) {
            return fail(errc::corrupt,
                        fmt::format("slot {} of slab {} with {} bytes was never shared with this process", name.slot,
                                    name.slab, bytes));
        }
        std::uint64_t& newest = at->second.generations[name.slot];
        if (name.generation == 0 || name.generation < newest) {
            context_.count_stale();
            return fail(errc::corrupt,
                        fmt::format("a call about generation {} of slot {} of slab {} came after one about {}: it is "
                                    "stale",
                                    name.generation, name.slot, name.slab, newest));
        }
        newest = name.generation;
        return at->second.memory->data() + name.slot * at->second.facts.slot_bytes;
    }

    result<mapped_buffers*> buffers_of(const stage_call& call) {
        if (call.buffer >= context_.asked().buffers)
            return fail(errc::corrupt, fmt::format("there is no buffer {}", call.buffer));
        FACEFLOW_ASSIGN(auto at, slot_at(call.memory, layout_.bytes));
        mapped_buffers& p = buffers_[call.buffer];
        // Rejects a message about a use that is over: the serials of a buffer only grow.
        if (call.serial <= p.last_serial) {
            context_.count_stale();
            return fail(errc::corrupt, fmt::format("call {} for buffer {} came after call {}: it is stale", call.serial,
                                                   call.buffer, p.last_serial));
        }
        p.last_serial = call.serial;
        if (p.at != at) {
            p.at = at;
            p.mesh.reset();
        }
        if (context_.asked().role == stage_role::landmark && !p.mesh) {
            FACEFLOW_ASSIGN(p.mesh, mesh_memory::create(context_.work_stream(), context_.models(),
                                                        context_.shape().mesh_faces, p.at + layout_.crops));
        }
        return &p;
    }

    result<frame> frame_of(const stage_call& call) {
        FACEFLOW_ASSIGN(const auto picture, picture_of(call.picture));
        FACEFLOW_ASSIGN(auto at, slot_at(call.frame, native_bytes(picture.format, picture.width, picture.height)));
        return frame{{call.source, call.sequence}, packed_at(picture, at), nullptr, nullptr};
    }

    result<vision::detection_set*> tracked_of(const stage_call& call) {
        if (call.tracked.slab == no_slab) return nullptr;
        FACEFLOW_ASSIGN(auto at, slot_at(call.tracked, context_.shape().set_bytes()));
        return reinterpret_cast<vision::detection_set*>(at);
    }

    void wait_for_earlier(const stage_call& call) {
        if (call.first > 0) return;  // a second call: all inputs are ready
        stream& s = context_.work_stream();
        const auto wait = [&](shared_page before, std::uint32_t buffer, std::uint64_t serial) {
            s.wait(pages_.of(before)[page_semaphores::passed(buffer)], serial);
        };
        switch (context_.asked().role) {
            case stage_role::region:
                if (call.detect != 0) {
                    wait(shared_page::detect, call.buffer, call.serial);
                } else {
                    wait(shared_page::capture, call.buffer, call.serial);
                }
                if (call.begins == 0) {
                    wait(shared_page::landmark, std::min(call.wait_buffer, context_.asked().buffers - 1),
                         call.wait_serial);
                }
                return;
            case stage_role::landmark: wait(shared_page::region, call.buffer, call.serial); return;
            default: wait(shared_page::capture, call.buffer, call.serial); return;
        }
    }

    result<void> enqueue(const stage_call& call, mapped_buffers& buffer, const frame& f,
                         vision::detection_set* tracked) {
        stream& s = context_.work_stream();
        const stage_set& stages = context_.stages();
        const std::int32_t batch = context_.shape().mesh_faces;
        const vision::crop_target crops = crops_at(buffer.at + layout_.crops, batch, context_.shape().crops);
        const vision::pass_results results{reinterpret_cast<vision::result_header*>(buffer.at + layout_.results), 1};
        const auto found = vision::one_frame_table(reinterpret_cast<vision::detection_set*>(buffer.at + layout_.faces));
        const auto faces = tracked != nullptr ? vision::one_frame_table(tracked) : found;
        const frame_pass pass{{&f, 1}, faces, results};
        const bool begins = call.begins != 0;
        switch (context_.asked().role) {
            case stage_role::detect: stages.detect(s, *detector_, pass.frames, found); return {};
            case stage_role::region:
                if (tracked != nullptr && call.detect != 0) stages.merge(s, found, faces, {&begins, 1});
                stages.region(s, pass, 0, crops, batch);
                return {};
            case stage_role::landmark: break;
            default: return fail(errc::internal, "no such stage on shared memory");
        }
        // The region stage cropped the first batch; the crops of further batches are made here.
        const std::int32_t end = std::clamp(call.end, 1, context_.chosen().max_faces + batch - 1);
        stages.crop_and_mesh(s, *buffer.mesh, pass, {std::max(call.first, 0), end, true, [&] { beat_behind(s); }});
        if (tracked != nullptr) stages.propagate(s, results, faces);
        return {};
    }

    // Signals life after each batch: a frame may have a thousand faces where the previous one had none.
    void beat_behind(stream& s) const {
        if (!context_.owner().computes_on_host()) return;
        s.run([&context = context_]() -> result<void> {
            context.beat();
            return {};
        });
    }

    // Signals both semaphores, the second only if all work was done, and a beat for the watchdog.
    void finish(const stage_call& call) {
        stream& s = context_.work_stream();
        semaphore& done = pages_.mine()[page_semaphores::done(call.buffer)];
        if (context_.owner().computes_on_host()) {
            s.run([&done, &context = context_, serial = call.serial, errors = errors_,
                   before = errors_->count]() -> result<void> {
                const std::lock_guard lock(errors->mutex);
                if (errors->count == before) raise(done, serial);
                context.beat();
                return {};
            });
        } else {
            // Inside enqueue, because a bare signal takes effect even on a failed stream.
            s.enqueue([&s, &done, serial = call.serial]() -> result<void> {
                s.signal(done, serial);
                return {};
            });
        }
        s.signal(pages_.mine()[page_semaphores::passed(call.buffer)], call.serial);
    }

    stage_context& context_;
    shared_pages& pages_;
    const buffer_layout layout_;
    std::optional<detector_memory> detector_;
    std::map<std::uint32_t, shared_slab> slabs_;
    std::array<mapped_buffers, max_in_flight> buffers_;
    // Shared with tasks that may outlive this.
    struct stream_errors {
        std::mutex mutex;
        std::uint64_t count = 0;  // that were forgotten
    };
    const std::shared_ptr<stream_errors> errors_ = std::make_shared<stream_errors>();
};

}  // namespace

result<std::unique_ptr<stage_executor>> make_shared_executor(stage_context& context, shared_pages& pages) {
    std::optional<detector_memory> detector;
    if (context.asked().role == stage_role::detect) {
        FACEFLOW_ASSIGN(detector, detector_memory::create(context.work_stream(), context.models(), 1));
    }
    return std::make_unique<shared_executor>(context, pages, std::move(detector));
}

}  // namespace faceflow::internal::flow

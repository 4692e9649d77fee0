// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_server.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <vector>

#include "core/try.hpp"
#include "flow/multi_process/shared_executor.hpp"
#include "flow/multi_process/stage_executor.hpp"
#include "ipc/channel.hpp"
#include "ipc/control_page.hpp"

namespace faceflow::internal::flow {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

template <class T>
result<T> struct_of(std::span<const std::byte> from, const char* what) {
    if (from.size() < sizeof(T))
        return fail(errc::corrupt, fmt::format("{} bytes are too few for {}", from.size(), what));
    T value;
    std::memcpy(&value, from.data(), sizeof value);
    return value;
}

class stage_server {
public:
    explicit stage_server(ipc::channel to) : channel_(std::move(to)) {}

    result<void> greet() {
        FACEFLOW_ASSIGN(auto hello, channel_.receive(ipc::forever));
        if (auto r = open(hello); !r) {
            (void)tell(r.error(), 0);
            return r;
        }
        const std::string ready = to_json(context_->asked());
        return channel_.send(static_cast<std::uint16_t>(stage_message::ready), bytes_of(ready), {}, {}, ipc::forever);
    }

    result<void> serve() {
        for (;;) {
            payload_refused_ = {};
            auto m = channel_.receive(ipc::forever, max_stage_payload,
                                      [this](const ipc::message& head) { return target_of(head); });
            if (!m) {
                if (channel_.closed()) return {};  // the owner has closed its end
                return tl::unexpected(std::move(m.error()));
            }
            beat();
            FACEFLOW_TRY(handle(*m));
        }
    }

private:
    result<void> open(ipc::message& hello) {
        if (hello.kind != static_cast<std::uint16_t>(stage_message::hello))
            return fail(errc::corrupt, "the owner did not greet first");
        FACEFLOW_ASSIGN(auto asked, read_hello({reinterpret_cast<const char*>(hello.body.data()), hello.body.size()}));
        FACEFLOW_ASSIGN(context_, stage_context::create(asked));
        FACEFLOW_ASSIGN(work_, asked.buffers == 0 ? open_inline(hello) : open_shared(hello));
        return context_->start_counting();
    }

    result<std::unique_ptr<stage_executor>> open_inline(ipc::message& hello) {
        FACEFLOW_TRY(open_pages(hello, 1, 1));
        return make_message_executor(*context_);
    }

    result<std::unique_ptr<stage_executor>> open_shared(ipc::message& hello) {
        const stage_role role = context_->asked().role;
        pages_.own = role == stage_role::detect   ? shared_page::detect
                     : role == stage_role::region ? shared_page::region
                                                  : shared_page::landmark;
        FACEFLOW_TRY(open_pages(hello, shared_page_count, page_semaphores::count(context_->asked().buffers)));
        return make_shared_executor(*context_, pages_);
    }

    // Map only the stage's own page writable, except on a GPU, which supports no read-only pages.
    result<void> open_pages(ipc::message& hello, std::size_t count, std::size_t words) {
        if (hello.descriptors.size() != count) {
            return fail(errc::corrupt,
                        fmt::format("the greeting came with {} control pages of {}", hello.descriptors.size(), count));
        }
        if (count == 1) pages_.own = shared_page::capture;
        for (std::size_t i = 0; i < count; ++i) {
            const bool writes = i == static_cast<std::size_t>(pages_.own) || !context_->owner().computes_on_host();
            FACEFLOW_ASSIGN(auto page, ipc::control_page::open(std::move(hello.descriptors[i]), words,
                                                               writes ? access::read_write : access::read_only));
            FACEFLOW_TRY(context_->owner().register_semaphores(page.pages()));
            pages_.all.push_back(std::move(page));
        }
        context_->beat_on(pages_.mine()[page_semaphores::beat]);
        return {};
    }

    void beat() const { context_->beat(); }

    // The destination of a payload. A refused payload is still received, so that the next message can be read.
    result<std::span<std::byte>> target_of(const ipc::message& head) {
        beat();
        auto call = struct_of<stage_call>(head.body, "a call");
        auto target = call ? work_->expect(*call, head.payload_bytes)
                           : result<std::span<std::byte>>(tl::unexpected(call.error()));
        if (target) return target;
        payload_refused_ = tl::unexpected(std::move(target.error()));
        refused_.resize(head.payload_bytes);
        return std::span(refused_);
    }

    result<void> handle(ipc::message& m) {
        switch (static_cast<stage_message>(m.kind)) {
            case stage_message::map: {
                const auto facts = struct_of<slab_facts>(m.body, "a slab");
                result<void> mapped = !facts ? result<void>(tl::unexpected(facts.error()))
                                      : m.descriptors.size() == 1
                                          ? work_->map(*facts, std::move(m.descriptors[0]))
                                          : result<void>(fail(errc::corrupt, "a slab without its memory"));
                if (!mapped) return tell(mapped.error(), 0);
                return {};
            }
            case stage_message::unmap:
                if (const auto facts = struct_of<slab_facts>(m.body, "a slab")) work_->unmap(facts->number);
                return {};
            case stage_message::call: return answer(m);
            case stage_message::account: {
                stage_reply nothing;
                return reply(nothing, {}, true);
            }
            default: return tell({errc::corrupt, fmt::format("a message of unknown kind {}", m.kind)}, 0);
        }
    }

    result<void> answer(const ipc::message& m) {
        const auto call = struct_of<stage_call>(m.body, "a call");
        if (!call) return tell(call.error(), 0);
        if (!payload_refused_) return tell(payload_refused_.error(), call->serial);
        const auto rest = std::span(m.body).subspan(sizeof(stage_call));
        if (call->detections > static_cast<std::uint32_t>(context_->chosen().max_faces) ||
            rest.size() != call->detections * sizeof(vision::detection)) {
            return tell({errc::corrupt,
                         fmt::format("{} bytes follow a call with {} detections", rest.size(), call->detections)},
                        call->serial);
        }
        faces_.resize(call->detections);
        if (!rest.empty()) std::memcpy(faces_.data(), rest.data(), rest.size());
        if (auto r = check(faces_); !r) return tell(r.error(), call->serial);
        auto answer = work_->perform(*call, faces_);
        if (!answer) return tell(answer.error(), call->serial);
        // With shared memory, work continues after the reply: a later reply reports what is not done yet.
        beat();
        return reply(answer->reply, answer->payload, context_->asked().buffers == 0);
    }

    // Replies with counts and slices since the last reply; `all`: waits for pending work first.
    result<void> reply(stage_reply& r, std::span<const std::span<const std::byte>> payload, bool all) {
        const auto slices = context_->take_slices(all);
        r.slices = static_cast<std::uint32_t>(slices.size());
        r.counters = context_->take_counters(work_->cache());
        std::vector<std::byte> body(sizeof r + std::span(slices).size_bytes());
        std::memcpy(body.data(), &r, sizeof r);
        if (!slices.empty()) std::memcpy(body.data() + sizeof r, slices.data(), std::span(slices).size_bytes());
        return channel_.send_parts(static_cast<std::uint16_t>(stage_message::reply), body, payload, {}, ipc::forever);
    }

    // Sends an error; returns it if the process cannot continue: one with a lost device exits, and its owner starts
    // another.
    result<void> tell(const error& e, std::uint64_t serial) {
        stage_reply reply;
        reply.serial = serial;
        reply.status = 1 + static_cast<std::uint32_t>(e.code);
        const std::array<std::span<const std::byte>, 1> text{bytes_of(e.message)};
        auto told = context_ != nullptr && work_ != nullptr
                        ? this->reply(reply, text, false)
                        : channel_.send_parts(static_cast<std::uint16_t>(stage_message::reply),
                                              std::as_bytes(std::span(&reply, 1)), text, {}, ipc::forever);
        if (e.code == errc::device_lost) return tl::unexpected(e);
        return told;
    }

    ipc::channel channel_;
    std::unique_ptr<stage_context> context_;
    shared_pages pages_;  // a single page without shared memory
    std::vector<vision::detection> faces_;
    std::vector<std::byte> refused_;
    result<void> payload_refused_;
    std::unique_ptr<stage_executor> work_;  // destroyed before the members that it uses
};

}  // namespace

result<void> serve_stage(unique_fd socket) {
    FACEFLOW_ASSIGN(auto channel, ipc::channel::adopt(std::move(socket)));
    stage_server server(std::move(channel));
    FACEFLOW_TRY(server.greet());
    return server.serve();
}

}  // namespace faceflow::internal::flow

// SPDX-License-Identifier: Apache-2.0
// What a stage process answers an owner that is another version, or whose calls make no sense.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "backends/open_devices.hpp"
#include "flow/multi_process/shared_executor.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "flow/multi_process/stage_server.hpp"
#include "ipc/channel.hpp"
#include "ipc/control_page.hpp"
#include "stage_hello.hpp"
#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

// The owner's end of a stage that serves on a thread.
class stage_owner {
public:
    explicit stage_owner(const stage_hello& hello, std::size_t pages = 0) {
        auto ends = ipc::channel::make_pair();
        EXPECT_OK(ends);
        channel_.emplace(std::move(ends->first));
        server_ =
            std::thread([end = std::move(ends->second)]() mutable { (void)serve_stage(std::move(end).release()); });
        std::vector<int> descriptors;
        for (std::size_t i = 0; i < std::max<std::size_t>(pages, 1); ++i) {
            pages_.push_back(
                *ipc::control_page::create(std::max<std::size_t>(page_semaphores::count(hello.buffers), 1)));
            descriptors.push_back(pages_.back().descriptor());
        }
        const std::string text = to_json(hello);
        EXPECT_OK(channel_->send(static_cast<std::uint16_t>(stage_message::hello), std::as_bytes(std::span(text)), {},
                                 descriptors, ipc::forever));
        first_ = next();
    }
    ~stage_owner() {
        channel_->close_down();
        server_.join();
    }

    struct answer {
        std::uint16_t kind = 0;
        stage_reply reply;
        std::string text;
    };
    answer next() {
        answer a;
        auto m =
            channel_->receive(ipc::forever, 1u << 30, [&](const ipc::message& head) -> result<std::span<std::byte>> {
                a.text.resize(head.payload_bytes);
                return std::as_writable_bytes(std::span(a.text));
            });
        EXPECT_OK(m);
        if (!m) return a;
        a.kind = m->kind;
        if (m->body.size() == sizeof a.reply) std::memcpy(&a.reply, m->body.data(), sizeof a.reply);
        return a;
    }
    answer ask(stage_message kind, std::span<const std::byte> body, std::span<const std::byte> payload = {},
               std::span<const int> descriptors = {}) {
        EXPECT_OK(channel_->send(static_cast<std::uint16_t>(kind), body, payload, descriptors, ipc::forever));
        return next();
    }
    void tell(stage_message kind, std::span<const std::byte> body, std::span<const int> descriptors) {
        EXPECT_OK(channel_->send(static_cast<std::uint16_t>(kind), body, {}, descriptors, ipc::forever));
    }
    template <class T>
    static std::span<const std::byte> bytes_of(const T& value) {
        return std::as_bytes(std::span(&value, 1));
    }

    answer first_;
    std::vector<ipc::control_page> pages_;

private:
    std::optional<ipc::channel> channel_;
    std::thread server_;
};

TEST(stage_server, refuses_an_owner_of_another_version_and_says_so) {
    auto ends = ipc::channel::make_pair();
    ASSERT_OK(ends);
    std::string said;
    std::thread server([&] {
        const auto served = serve_stage(std::move(ends->second).release());
        if (!served) said = served.error().message;
    });
    auto j = nlohmann::json::parse(to_json(cpu_hello(stage_role::region, 0)));
    j["version"] = "0.0.0";
    const std::string text = j.dump();
    EXPECT_OK(ends->first.send(static_cast<std::uint16_t>(stage_message::hello), std::as_bytes(std::span(text)), {}, {},
                               ipc::forever));
    std::string refusal;
    const auto m =
        ends->first.receive(ipc::forever, 1u << 20, [&](const ipc::message& head) -> result<std::span<std::byte>> {
            refusal.resize(head.payload_bytes);
            return std::as_writable_bytes(std::span(refusal));
        });
    ASSERT_OK(m);
    server.join();
    EXPECT_NE(refusal.find("0.0.0"), std::string::npos) << refusal;
    EXPECT_EQ(refusal, said);
}

TEST(stage_server, survives_calls_that_make_no_sense_and_goes_on) {
    stage_hello hello = cpu_hello(stage_role::region, 0);
    hello.chosen.flow = flow_kind::copied;
    hello.chosen.tuning.batch = false;
    stage_owner owner(hello);
    ASSERT_EQ(owner.first_.kind, static_cast<std::uint16_t>(stage_message::ready)) << owner.first_.text;

    const auto picture = test::random_picture(pixel_format::bgr24, 64, 48, 1);
    const std::span<const std::byte> pixels = std::as_bytes(std::span(picture.view.planes[0].data, 64 * 48 * 3));
    stage_call call;
    call.picture = facts_of(picture.view);
    call.picture.unused = 0;
    std::uint32_t refused = 0;
    const auto expect_refusal = [&](const stage_owner::answer& a, const char* about) {
        EXPECT_GT(a.reply.status, 0u) << about;
        EXPECT_FALSE(a.text.empty()) << about;
        ++refused;
    };
    expect_refusal(owner.ask(stage_message::call, pixels.first(10)), "a body that is too short");
    expect_refusal(owner.ask(static_cast<stage_message>(77), {}), "an unknown kind");
    expect_refusal(owner.ask(stage_message::map, {}), "an empty map");
    call.serial = 1;
    expect_refusal(owner.ask(stage_message::call, stage_owner::bytes_of(call), pixels.first(100)), "too few pixels");
    call.serial = 2;
    expect_refusal(owner.ask(stage_message::call, stage_owner::bytes_of(call)), "no pixels");
    call.serial = 3;
    call.detections = 3;
    expect_refusal(owner.ask(stage_message::call, stage_owner::bytes_of(call), pixels), "promised detections");
    call.detections = UINT32_MAX;
    expect_refusal(owner.ask(stage_message::call, stage_owner::bytes_of(call), pixels), "detections without end");
    call.detections = 0;
    call.picture.format = 250;
    expect_refusal(owner.ask(stage_message::call, stage_owner::bytes_of(call), pixels), "no format");
    EXPECT_EQ(refused, 8u);

    std::vector<std::byte> body(sizeof(stage_call) + sizeof(vision::detection));
    call.picture = facts_of(picture.view);
    call.detections = 1;
    const auto ask_with = [&](const vision::detection& face) {
        std::memcpy(body.data(), &call, sizeof call);
        std::memcpy(body.data() + sizeof call, &face, sizeof face);
        return owner.ask(stage_message::call, body, pixels);
    };
    vision::detection face;
    for (const float wrong :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -4e23f}) {
        ++call.serial;
        face.area = {32, wrong, 40, 0};
        expect_refusal(ask_with(face), "a face out of this world");
    }

    // One that makes sense, with a face in it, is answered.
    call.serial = 9;
    face.area = {32, 24, 40, 0};
    const auto good = ask_with(face);
    EXPECT_EQ(good.reply.status, 0u) << good.text;
    EXPECT_EQ(good.reply.serial, 9u);
    EXPECT_EQ(good.reply.crops, 1u);
    EXPECT_EQ(good.text.size(), sizeof(vision::detection) + crop_shape().bytes());
}

class shared_stage : public testing::Test {
protected:
    void SetUp() override {
        devices = std::move(*open_devices({"cpu", 256u << 20, "none"}));
        const buffer_layout layout = buffer_layout::of({1, hello.chosen.max_faces});
        frames = *slab::create(*devices.front(), 128 << 10, 2);
        buffers = *slab::create(*devices.front(), layout.bytes, 4);
        owner.emplace(hello, shared_page_count);
        ASSERT_EQ(owner->first_.kind, static_cast<std::uint16_t>(stage_message::ready)) << owner->first_.text;
        map(0, *frames);
        map(1, *buffers);
        call.picture = facts_of(test::random_picture(pixel_format::nv12, 64, 48, 1).view);
        call.frame = {0, 0, 1};
        call.memory = {1, 0, 1};
        call.serial = 2;
    }
    void map(std::uint32_t number, const slab& of) {
        auto shared = devices.front()->export_memory(of.memory(), of.slot_bytes() * of.slots());
        ASSERT_OK(shared);
        slab_facts facts;
        facts.number = number;
        facts.slots = static_cast<std::uint32_t>(of.slots());
        facts.slot_bytes = of.slot_bytes();
        facts.where = shared->where;
        const std::array<int, 1> descriptors{shared->descriptor.get()};
        owner->tell(stage_message::map, stage_owner::bytes_of(facts), descriptors);
    }
    // Whoever comes before the region stage is through.
    void raise_earlier() {
        raise(owner->pages_[static_cast<std::size_t>(shared_page::detect)][page_semaphores::passed(call.buffer)],
              call.serial);
    }
    stage_owner::answer ask() {
        raise_earlier();
        return owner->ask(stage_message::call, stage_owner::bytes_of(call));
    }

    stage_hello hello = cpu_hello(stage_role::region, 4);
    std::vector<std::unique_ptr<device>> devices;
    std::shared_ptr<slab> frames, buffers;
    std::optional<stage_owner> owner;
    stage_call call;
};

TEST_F(shared_stage, works_on_what_was_shared_and_signals_its_timeline) {
    EXPECT_EQ(ask().reply.status, 0u);
    const auto& page = owner->pages_[static_cast<std::size_t>(shared_page::region)];
    EXPECT_TRUE(
        wait_until(page[page_semaphores::passed(0)], 2, std::chrono::steady_clock::now() + std::chrono::seconds(10)));
    EXPECT_EQ(page[page_semaphores::done(0)].value, 2u);
}

TEST_F(shared_stage, refuses_slots_that_were_never_shared) {
    for (const slot_name wrong : {slot_name{7, 0, 1}, slot_name{0, 2, 1}, slot_name{no_slab, 0, 1}}) {
        call.frame = wrong;
        EXPECT_GT(ask().reply.status, 0u);
        call.serial += 2;
    }
    call.frame = {0, 0, 1};
    call.picture.width = call.picture.height = 4096;  // larger than the slot
    EXPECT_GT(ask().reply.status, 0u);
    call.serial += 2;
    call.picture.width = 64;
    call.picture.height = 48;
    call.memory = {0, 0, 1};  // too small for a buffer
    EXPECT_GT(ask().reply.status, 0u);
}

TEST_F(shared_stage, refuses_misaligned_slots) {
    auto shared = devices.front()->export_memory(buffers->memory(), buffers->slot_bytes() * buffers->slots());
    ASSERT_OK(shared);
    const std::array<int, 1> descriptors{shared->descriptor.get()};
    for (const auto& [offset, less] : {std::pair{0, 1}, {4, 0}}) {
        slab_facts facts;
        facts.number = 7;
        facts.slots = 2;
        facts.slot_bytes = buffers->slot_bytes() - static_cast<std::uint64_t>(less);
        facts.where = shared->where;
        facts.where.offset += static_cast<std::uint64_t>(offset);
        facts.where.bytes = 2 * buffers->slot_bytes();
        const auto refused = owner->ask(stage_message::map, stage_owner::bytes_of(facts), {}, descriptors);
        EXPECT_GT(refused.reply.status, 0u);
        EXPECT_NE(refused.text.find("multiples of 256"), std::string::npos) << refused.text;
    }
    EXPECT_EQ(ask().reply.status, 0u);
}

TEST_F(shared_stage, refuses_to_follow_faces_that_it_was_not_given) {
    call.begins = 0;
    const auto refused = ask();
    EXPECT_GT(refused.reply.status, 0u);
    EXPECT_NE(refused.text.find("names no slot"), std::string::npos) << refused.text;
    call.serial += 2;
    call.begins = 1;
    EXPECT_EQ(ask().reply.status, 0u);
}

TEST_F(shared_stage, refuses_a_replayed_call) {
    EXPECT_EQ(ask().reply.status, 0u);
    const auto again = ask();
    EXPECT_GT(again.reply.status, 0u);
    EXPECT_NE(again.text.find("stale"), std::string::npos) << again.text;
    call.serial = 1;
    EXPECT_GT(ask().reply.status, 0u);
    call.serial = 4;
    call.buffer = 9;
    EXPECT_GT(owner->ask(stage_message::call, stage_owner::bytes_of(call)).reply.status, 0u);
    call.buffer = 0;
    EXPECT_EQ(ask().reply.status, 0u);
}

TEST_F(shared_stage, answers_with_the_uses_of_the_slots_that_it_worked_on) {
    call.frame.generation = 7;
    const auto a = ask();
    EXPECT_EQ(a.reply.status, 0u) << a.text;
    EXPECT_EQ(a.reply.frame, call.frame);
    EXPECT_EQ(a.reply.memory, call.memory);
}

TEST_F(shared_stage, refuses_and_counts_calls_about_a_use_that_is_over) {
    std::uint64_t stale = 0;
    const auto expect_stale = [&] {
        call.serial += 2;
        const auto a = ask();
        EXPECT_GT(a.reply.status, 0u);
        EXPECT_NE(a.text.find("stale"), std::string::npos) << a.text;
        stale += a.reply.counters.stale;
    };
    call.frame.generation = 5;
    EXPECT_EQ(ask().reply.status, 0u);
    call.frame.generation = 4;
    expect_stale();
    call.frame.generation = 0;  // never a generation
    expect_stale();
    EXPECT_EQ(stale, 2u);
    call.frame = {0, 1, 1};  // another slot has generations of its own
    call.serial += 2;
    EXPECT_EQ(ask().reply.status, 0u);
    call.frame = {0, 0, 5};  // the same use may be named again, and newer ones
    call.serial += 2;
    EXPECT_EQ(ask().reply.status, 0u);
    call.frame.generation = 6;
    call.serial += 2;
    EXPECT_EQ(ask().reply.status, 0u);
    call.memory.generation = 3;
    call.serial += 2;
    EXPECT_EQ(ask().reply.status, 0u);
    call.memory.generation = 2;
    expect_stale();
    EXPECT_EQ(stale, 3u);
}

}  // namespace
}  // namespace faceflow::internal::flow

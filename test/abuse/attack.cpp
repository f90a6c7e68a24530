// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "attack.hpp"

#include "../sanitizers.hpp"
#include "bystander.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

#include <sched.h>

namespace abuse {

using namespace std::chrono_literals;

bool sanitized() noexcept { return TEST_UNDER_ASAN || TEST_UNDER_TSAN; }

namespace {

double us(std::chrono::nanoseconds d) { return static_cast<double>(d.count()) / 1e3; }
double mib(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void print(const char* who, const weft::histogram& quiet, const weft::histogram& attacked) {
    if (attacked.count() == 0) return;
    const double before = us(quiet.percentile(0.99));
    fmt::print(
        "  {}: quiet p50 {:.0f} p99 {:.0f} us ({}); under attack p50 {:.0f} p99 {:.0f} max "
        "{:.0f} us ({}); p99 x{:.2f}\n",
        who, us(quiet.percentile(0.5)), before, quiet.count(), us(attacked.percentile(0.5)),
        us(attacked.percentile(0.99)), us(attacked.max()), attacked.count(),
        before > 0 ? us(attacked.percentile(0.99)) / before : 0.0);
}

/// It is the server's; whoever attacks from elsewhere does not take from it.
void leave_first_processor() {
    cpu_set_t others;
    if (::sched_getaffinity(0, sizeof others, &others) != 0 || CPU_COUNT(&others) < 2) return;
    CPU_CLR(0, &others);
    ::sched_setaffinity(0, sizeof others, &others);
}

/// Descriptors are closed a moment after their peers saw the end.
std::size_t settled_descriptors(const server_process& server, std::size_t wanted) {
    std::size_t n = server.descriptors();
    for (int i = 0; n > wanted && i < 400; ++i) {
        std::this_thread::sleep_for(5ms);
        n = server.descriptors();
    }
    return n;
}

class verdict {
  public:
    void expect(bool held, const std::string& what) {
        if (held) return;
        fmt::print("  FAILED: {}\n", what);
        ++failed_;
    }
    [[nodiscard]] int status() const noexcept { return failed_ == 0 ? 0 : 1; }

  private:
    int failed_ = 0;
};

}  // namespace

int carry_out(const attack& wanted) {
    attack a = wanted;
    verdict holds;
    const std::size_t files = raise_descriptors();
    if (const std::size_t most = files > 200 ? files - 200 : 1; a.attackers > most) {
        fmt::print("scaled down to {} attackers: no more than {} files may be open\n", most, files);
        a.attackers = most;
    }
    server_process server(a.server);
    fmt::print("{}: {} attackers{}\n", a.title, a.attackers,
               a.arrival > 0ms ? fmt::format(" within {} ms", a.arrival.count()) : "");
    std::fflush(stdout);

    if (a.server.apart) leave_first_processor();
    bystander him(server.port());
    std::this_thread::sleep_for(200ms);
    (void)him.take();  // what is only slow the first time
    std::this_thread::sleep_for(a.quiet);
    const auto quiet = him.take();
    const std::size_t memory_before = server.resident();
    const double cpu_before = server.processor_seconds();

    // With the bystander's two, and what a server holds besides.
    const std::size_t files_before = settled_descriptors(server, 0);
    swarm attackers(server.port(), a.arrival);
    for (std::size_t i = 0; i < a.attackers; ++i) attackers.add(a.manners[i % a.manners.size()]);
    std::size_t memory_most = memory_before;
    const auto begun = std::chrono::steady_clock::now();
    const auto look = [&] { memory_most = std::max(memory_most, server.resident()); };
    // Far more than they may stay: a test that hangs is a test that failed.
    const auto patience =
        a.dismissed_after > 0ms ? a.dismissed_after : 4 * a.gone_after + a.arrival + 20s;
    attackers.run(patience, look);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    const auto attacked = him.take();
    const double cpu = server.processor_seconds() - cpu_before;
    const auto end = attackers.so_far();

    std::string answers;
    for (const auto& [status, n] : end.answers)
        answers += fmt::format("{}{} {}", answers.empty() ? "" : ", ", n, status);
    fmt::print(
        "  {} connected, {} refused, {} still there; gone {} to {} ms after they came; "
        "answers: {}\n",
        end.connected, end.refused, end.here, end.first_gone.count(), end.last_gone.count(),
        answers);
    fmt::print(
        "  the attack took {} ms, the server {:.2f} s of a processor for it; {:.1f} MiB came, "
        "{:.1f} MiB went\n",
        took.count(), cpu, mib(end.sent), mib(end.received));
    print("bystander, kept connection", quiet.kept, attacked.kept);
    print("bystander, new connections", quiet.fresh, attacked.fresh);
    const std::size_t each = end.connected == 0 ? 0 : (memory_most - memory_before) / end.connected;
    fmt::print("  memory: {:.1f} MiB before, {:.1f} MiB at most: {} bytes an attacker\n",
               mib(memory_before), mib(memory_most), each);
    std::fflush(stdout);

    holds.expect(end.connected + end.refused == a.attackers, "every attacker was seen to");
    if (a.dismissed_after == 0ms)
        holds.expect(end.here == 0, fmt::format("{} attackers were never sent away", end.here));
    for (const auto& [status, percent] : a.answers) {
        const auto found = end.answers.find(status);
        const std::size_t n = found == end.answers.end() ? 0 : found->second;
        holds.expect(n * 100 >= percent * end.connected,
                     fmt::format("{} were answered {}, not {} of a hundred", n, status, percent));
    }
    holds.expect(quiet.lost == 0, "the bystander was served before");
    holds.expect(attacked.kept.count() > 0, "the bystander was served at all");
    holds.expect(attacked.lost == 0, fmt::format("the bystander lost {} requests ({})",
                                                 attacked.lost, attacked.last_loss));
    if (a.memory_each != 0 && !sanitized())
        holds.expect(each <= a.memory_each,
                     fmt::format("an attacker costs no more than {} bytes", a.memory_each));
    if (a.dismissed_after == 0ms) {
        const std::size_t files_after = settled_descriptors(server, files_before);
        holds.expect(files_after <= files_before,
                     fmt::format("{} descriptors are left, from {}", files_after, files_before));
    }
    holds.expect(server.stop() == 0, "the server came to its end");
    return holds.status();
}

}  // namespace abuse

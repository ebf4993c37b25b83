//! The end of a step as a tree of questions.
//!
//! What [`Star::settle`] does depends on nothing but the answers that it gets. So what it asks and
//! does after given answers is remembered, and walked from then on without it.

use crate::engine::compact::worker::Worker;
use crate::engine::star::{Pending, Settle, Star};

/// What a star's end of a step has been seen to do.
pub(super) struct Tree {
    points: Vec<Point>,
    /// Answers on the walk so far.
    answers: Vec<u64>,
}

enum Point {
    /// Nobody has been here.
    Open,
    /// It asks; the next point depends on the answer.
    Ask { probe: u32, next: Vec<(u64, usize)> },
    /// It does something.
    Run { task: u32, next: usize },
    /// It is done.
    End,
}

impl Tree {
    pub(super) fn new() -> Self {
        Tree { points: vec![Point::Open], answers: Vec::new() }
    }

    fn open(&mut self) -> usize {
        self.points.push(Point::Open);
        self.points.len() - 1
    }

    /// From a point where it asks: the point after an answer.
    fn after(&mut self, point: usize, answer: u64) -> usize {
        let new = self.points.len();
        let Point::Ask { next, .. } = &mut self.points[point] else {
            unreachable!("the end of a step asks something else than after the same answers before")
        };
        if let Some((_, next)) = next.iter().find(|(known, _)| *known == answer) {
            return *next;
        }
        next.push((answer, new));
        self.open()
    }
}

/// Follows a star's own end of a step: first along answers that it has got already, then on.
struct Follow<'w, 'a, S: Star> {
    worker: &'w mut Worker<'a, S>,
    point: usize,
    given: usize,
}

impl<S: Star> Follow<'_, '_, S> {
    fn is_new(&self) -> bool {
        self.given == self.worker.desk.tree.answers.len()
    }
}

impl<S: Star> Settle<S> for Follow<'_, '_, S> {
    fn probe(&mut self, probe: S::Probe) -> u64 {
        let new = self.is_new();
        let probe = self.worker.shared.probes.number(&probe);
        if new {
            let answer = self.worker.probe(probe);
            self.worker.desk.tree.answers.push(answer);
        }
        let tree = &mut self.worker.desk.tree;
        let answer = tree.answers[self.given];
        self.given += 1;
        let point = &mut tree.points[self.point];
        if matches!(point, Point::Open) {
            *point = Point::Ask { probe, next: Vec::new() };
        }
        self.point = tree.after(self.point, answer);
        answer
    }

    fn run(&mut self, task: S::Task) {
        let new = self.is_new();
        let task = self.worker.shared.pendings.number(&Pending::Task(task));
        let tree = &mut self.worker.desk.tree;
        if matches!(tree.points[self.point], Point::Open) {
            let next = tree.open();
            tree.points[self.point] = Point::Run { task, next };
        }
        let Point::Run { next, .. } = tree.points[self.point] else {
            unreachable!("the end of a step does something else than after the same answers before")
        };
        self.point = next;
        if new {
            self.worker.run(task);
        }
    }
}

impl<S: Star> Worker<'_, S> {
    /// The end of a step.
    pub(super) fn settle(&mut self) {
        self.desk.tree.answers.clear();
        let mut point = 0;
        loop {
            match &self.desk.tree.points[point] {
                Point::End => return,
                Point::Open => return self.explore(),
                &Point::Run { task, next } => {
                    self.run(task);
                    point = next;
                }
                &Point::Ask { probe, .. } => {
                    let answer = self.probe(probe);
                    let tree = &mut self.desk.tree;
                    tree.answers.push(answer);
                    let Point::Ask { next, .. } = &tree.points[point] else { return };
                    match next.iter().find(|(known, _)| *known == answer) {
                        Some((_, next)) => point = *next,
                        None => return self.explore(),
                    }
                }
            }
        }
    }

    /// Goes on where nobody has been.
    fn explore(&mut self) {
        let system = self.shared.system;
        let mut follow = Follow { worker: self, point: 0, given: 0 };
        system.0.settle(&mut follow);
        let point = follow.point;
        self.desk.tree.points[point] = Point::End;
    }
}
